"""How the station is, and what it decides: as figures, as a stream and as pictures."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from edgecls_runtime.web.asking import number_of
from edgecls_runtime.web.guard import Refusal
from edgecls_runtime.web.inside import Inside
from edgecls_runtime.web.live import Shown
from edgecls_runtime.web.status import State

# So long a request waits for the next verdict before it is told that there is none.
LONGEST_S = 10.0
# Streams look for verdicts so often, and send the status so often.
LOOK_S, STATUS_S = 0.1, 1.0
MOST_STREAMS = 16


class StationApi:
    """Answers about the station."""

    def __init__(self, inside: Inside) -> None:
        """Begin without a stream."""
        self._inside, self._streams = inside, 0

    async def health(self, _: Request) -> Response:
        """Say whether the station can be asked, and how it is."""
        status = await self._inside.status.now()
        can_be_asked = not any(one.kind == "station" for one in status.health)
        code = HTTPStatus.OK if can_be_asked else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"ok": status.worst is not State.FAULT, "state": status.worst}, code)

    async def status(self, _: Request) -> Response:
        """Return all figures."""
        return JSONResponse(await self._inside.status_table())

    async def live(self, request: Request) -> Response:
        """Return the next verdict and its picture as the two fields of a form."""
        after, camera = number_of(request, "after", 0), request.query_params.get("camera")
        shown = await self._inside.live.after(after, camera, LONGEST_S, self._inside.stopping)
        if shown is None:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        boundary = secrets.token_hex(16)
        kind = f"multipart/form-data; boundary={boundary}"
        return Response(_form(shown, self._table(shown), boundary), media_type=kind)

    async def live_jpg(self, request: Request) -> Response:
        """Return the newest picture."""
        shown = await self._inside.live.newest(request.query_params.get("camera"))
        if shown is None or shown.jpeg is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "no picture: the newest verdict has no frame")
        verdict = shown.told.verdict.id or str(shown.told.number)
        return Response(shown.jpeg, media_type="image/jpeg", headers={"X-Verdict": verdict})

    async def events(self, request: Request) -> Response:
        """Send verdicts and status as they come."""
        if self._streams >= MOST_STREAMS:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_STREAMS} streams are open; close one"
            )
        return StreamingResponse(
            self._stream(request, self._begin(request)), media_type="text/event-stream"
        )

    def _begin(self, request: Request) -> int:
        """Return the number of the verdict behind which a stream begins."""
        run, _, number = request.headers.get("last-event-id", "").partition("-")
        if run == self._inside.hub.run and number.isascii() and number.isdecimal():
            return int(number[:18])
        return self._inside.hub.number

    async def _stream(self, request: Request, last: int) -> AsyncIterator[str]:
        self._streams += 1
        wants_verdicts = request.query_params.get("verdicts") != "0"
        ticks = 0
        try:
            while not self._inside.stopping() and self._may_stay(request):
                if ticks % round(STATUS_S / LOOK_S) == 0:
                    yield _event("status", await self._inside.status_table())
                    if self._inside.kept.is_due:
                        await self._inside.keep_sessions()
                if wants_verdicts:
                    for text, number in self._news(last):
                        yield text
                        last = number
                ticks += 1
                await asyncio.sleep(LOOK_S)
            yield _event("end", {})
        finally:
            self._streams -= 1

    def _may_stay(self, request: Request) -> bool:
        """Return whether whoever opened a stream is still signed in."""
        access = self._inside.access
        if access.is_open or not access.session_cookie(request.headers):
            return True
        return bool(access.by_cookie(request.headers))

    def _news(self, last: int) -> list[tuple[str, int]]:
        news = self._inside.hub.since(last)
        found = []
        if news and news[0].number > last + 1:
            found.append((_event("gap", {"skipped": news[0].number - last - 1}), last))
        for told in news:
            mark = f"{self._inside.hub.run}-{told.number}"
            table = {**told.verdict.table(), "counts_as": told.verdict.counts_as}
            found.append((_event("verdict", table, mark), told.number))
        return found

    def _table(self, shown: Shown) -> dict[str, object]:
        verdict = shown.told.verdict
        return {
            "run": self._inside.hub.run,
            "number": shown.told.number,
            "frame_px": shown.frame_px,
            "verdict": {**verdict.table(), "counts_as": verdict.counts_as},
        }


def _event(name: str, table: dict[str, object], mark: str = "") -> str:
    first = f"id: {mark}\n" if mark else ""
    return f"{first}event: {name}\ndata: {json.dumps(table)}\n\n"


def _form(shown: Shown, table: dict[str, object], boundary: str) -> bytes:
    parts = [("verdict", "application/json", json.dumps(table).encode())]
    if shown.jpeg is not None:
        parts.append(('picture"; filename="frame.jpg', "image/jpeg", shown.jpeg))
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, kind, data in parts
    )
    return body + f"--{boundary}--\r\n".encode()
