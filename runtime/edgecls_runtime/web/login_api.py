"""Signing in and out, and the files of the page."""

from http import HTTPStatus
from importlib import resources

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from edgecls_runtime.web.asking import bad
from edgecls_runtime.web.guard import Refusal, client_of, parsed, too_often
from edgecls_runtime.web.inside import Inside
from edgecls_runtime.web.logins import LONGEST_S

KINDS = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# What somebody who is not signed in is given.
OF_LOGIN = ("login.css", "login.js", "icon.svg")
WAYS = ({"token"}, {"user", "password"}, {"link"})


class LoginApi:
    """Answers that lead in and out."""

    def __init__(self, inside: Inside) -> None:
        """Read the files: what is given away is what is in this table, whatever is asked for."""
        self._inside = inside
        folder = resources.files("edgecls_runtime.web") / "static"
        self.files = {
            file.name: file.read_bytes()
            for file in folder.iterdir()
            if file.name.rpartition(".")[2] in KINDS
        }

    async def page(self, _: Request) -> Response:
        """Return the page."""
        return HTMLResponse(self.files["index.html"])

    async def file(self, request: Request) -> Response:
        """Return a file of the page."""
        return self._file(request.path_params["name"])

    async def login_page(self, _: Request) -> Response:
        """Return the login."""
        return HTMLResponse(self.files["login.html"])

    async def login_file(self, request: Request) -> Response:
        """Return a file of the login."""
        name = request.path_params["name"]
        return self._file(name if name in OF_LOGIN else "")

    async def state(self, request: Request) -> Response:
        """Say whether one is signed in, and how one can be."""
        access = self._inside.access
        ways = [
            way
            for way, given in (
                ("token", access.secrets.token),
                ("password", access.secrets.user),
            )
            if given
        ]
        signed_in = access.is_open or bool(access.by_cookie(request.headers))
        return JSONResponse({"signed_in": signed_in, "ways": ways})

    async def login(self, request: Request) -> Response:
        """Sign in with a token, with name and password, or with the link of the start."""
        access, client = self._inside.access, client_of(request.scope)
        shown = parsed(await request.body(), request.headers.get("content-type", ""))
        if set(shown) not in WAYS or not all(isinstance(text, str) for text in shown.values()):
            raise bad("body: expected token, or user and password, or link")
        if wait := access.tries.wait(client):
            raise too_often(wait)
        who = self._who({key: str(text) for key, text in shown.items()})
        if not who:
            access.tries.failed(client)
            raise Refusal(HTTPStatus.UNAUTHORIZED, "wrong, or used already")
        self._inside.say(f"web page: {who} signed in from {client}")
        answer = JSONResponse({"who": who})
        answer.set_cookie(
            access.cookie,
            access.sessions.begin(who),
            max_age=int(LONGEST_S),
            secure=access.secure,
            httponly=True,
            samesite="strict",
        )
        await self._inside.keep_sessions()
        return answer

    async def logout(self, request: Request) -> Response:
        """Sign out."""
        access = self._inside.access
        access.sessions.end(access.session_cookie(request.headers))
        await self._inside.keep_sessions()
        answer = JSONResponse({})
        answer.delete_cookie(access.cookie, secure=access.secure, httponly=True, samesite="strict")
        return answer

    def _who(self, shown: dict[str, str]) -> str:
        secrets = self._inside.access.secrets
        if "token" in shown:
            return secrets.by_token(shown["token"].strip())
        if "link" in shown:
            return "link" if self._inside.link.use(shown["link"]) else ""
        return secrets.by_password(shown["user"], shown["password"])

    def _file(self, name: str) -> Response:
        data = self.files.get(name)
        if data is None or name.endswith(".html"):
            raise Refusal(HTTPStatus.NOT_FOUND, "no such file")
        return Response(data, media_type=KINDS[name.rpartition(".")[2]])
