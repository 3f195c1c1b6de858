"""What judges the parts, and how to change it from the page."""

import asyncio
from concurrent.futures import Future
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgecls_runtime.changes.control import Answer, Control, Running
from edgecls_runtime.web.asking import bad, object_of
from edgecls_runtime.web.guard import Refusal
from edgecls_runtime.web.inside import Inside, who_asks

# A bundle is opened and proved first; a large one on a small device takes its time.
LONGEST_S = 120.0
MANIFEST = "manifest.json"
MOST_BUNDLES = 200


class ControlApi:
    """Answers about recipe and bundle."""

    def __init__(self, inside: Inside) -> None:
        """Take what is behind the login."""
        self._inside = inside

    async def recipe(self, _: Request) -> Response:
        """Return the recipe and its alternatives."""
        running = self._control.running
        return JSONResponse({"recipe": running.recipe, "recipes": running.recipes})

    async def bundle(self, _: Request) -> Response:
        """Return the bundle and those beside it."""
        running = self._control.running
        beside = await self._inside.disk.run(bundles_beside, running.path)
        return JSONResponse(
            {"bundle": running.bundle, "folder": running.path.name, "bundles": list(beside)}
        )

    async def change_recipe(self, request: Request) -> Response:
        """Judge by another recipe."""
        wanted = (await object_of(request, "recipe"))["recipe"]
        known = self._control.running.recipes
        if wanted not in known:
            raise bad(f"recipe: {wanted!r}; expected one of {', '.join(known) or 'none'}")
        self._inside.say(f"web page: {who_asks(request)} asks for recipe {wanted}")
        return await self._answer(self._control.change_recipe(wanted))

    async def change_bundle(self, request: Request) -> Response:
        """Judge with another bundle of the same folder."""
        wanted = (await object_of(request, "bundle"))["bundle"]
        running: Running = self._control.running
        beside = await self._inside.disk.run(bundles_beside, running.path)
        if wanted not in beside:  # a name of the list: never a path that somebody made up
            raise bad(f"bundle: {wanted!r}; expected one of {', '.join(beside) or 'none'}")
        self._inside.say(f"web page: {who_asks(request)} asks for bundle {wanted}")
        return await self._answer(self._control.change_bundle(beside[wanted]))

    @property
    def _control(self) -> Control:
        if self._inside.control is None:
            raise Refusal(HTTPStatus.CONFLICT, "nothing can be changed while this station runs")
        return self._inside.control

    async def _answer(self, future: "Future[Answer]") -> Response:
        try:
            answer = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), LONGEST_S)
        except TimeoutError:
            text = f"not done within {LONGEST_S:g} s; it goes on: look again later"
            return JSONResponse({"accepted": None, "text": text}, HTTPStatus.ACCEPTED)
        code = HTTPStatus.OK if answer.accepted else HTTPStatus.CONFLICT
        return JSONResponse({"accepted": answer.accepted, "text": answer.text}, code)


def bundles_beside(path: Path) -> dict[str, Path]:
    """Return the bundles in the folder of one, by their folders' names."""
    try:
        found = sorted(
            one for one in path.absolute().parent.iterdir() if (one / MANIFEST).is_file()
        )
    except OSError:
        return {}
    return {one.name: one for one in found[:MOST_BUNDLES]}
