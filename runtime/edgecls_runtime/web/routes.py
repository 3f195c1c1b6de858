"""Every address of the page, in one table: what answers, and what is said of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from edgecls_runtime.web import openapi
from edgecls_runtime.web.control_api import ControlApi
from edgecls_runtime.web.inside import Inside
from edgecls_runtime.web.journal_api import JournalApi
from edgecls_runtime.web.login_api import LoginApi
from edgecls_runtime.web.station_api import StationApi

Answer = Callable[[Request], Awaitable[Response]]
SEARCH = {
    "outcome": "any of pass, fail, review, missed, error, incident; with commas",
    "text": "somewhere in the reason or the part's id",
    "part": "exactly this id",
    "label": "exactly this answer",
    "since": "UTC, such as 2026-11-28T06:00",
    "until": "UTC, before",
    "before": "where an earlier search ended: its next",
    "most": "1 to 200 (50)",
}
LIVE = {
    "after": "number of the verdict that was seen last (0)",
    "camera": "name of a camera (any)",
}


@dataclass(frozen=True, slots=True)
class Way:
    """One address and method.

    Attributes:
        method: ``GET`` or ``POST``.
        path: With names of its variable parts in braces.
        answer: What answers.
        text: What it does, in one line.
        query: What may be asked, by name.
        body: The JSON object that is posted: its texts, by name.
        kind: Type of the answer.

    """

    method: str
    path: str
    answer: Answer
    text: str
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"


def ways(inside: Inside) -> list[Way]:
    """Return every address."""
    station, journal = StationApi(inside), JournalApi(inside)
    control, login = ControlApi(inside), LoginApi(inside)
    verdict = {"verdict": "id of a verdict", "label": "what it really was; empty takes it back"}
    shown = {"token": "the token; or user and password, or link, instead"}
    found = [
        Way("GET", "/", login.page, "the page", kind="text/html"),
        Way("GET", "/static/{name}", login.file, "a file of the page", kind="text/plain"),
        Way("GET", "/login", login.login_page, "the login", kind="text/html"),
        Way("GET", "/login/state", login.state, "whether one is signed in, and how one can be"),
        Way("GET", "/login/{name}", login.login_file, "a file of the login", kind="text/plain"),
        Way("POST", "/login", login.login, "sign in: sets the session's cookie", body=shown),
        Way("POST", "/logout", login.logout, "sign out"),
        Way("GET", "/api/health", station.health, "whether the station can be asked; else 503"),
        Way("GET", "/api/status", station.status, "balance, latency, health, bundle, recipe"),
        Way("GET", "/api/live", station.live, *_LIVE_TEXT, LIVE, kind="multipart/form-data"),
        Way("GET", "/api/live.jpg", station.live_jpg, "the newest picture", _camera(), kind=JPEG),
        Way("GET", "/api/events", station.events, *_EVENTS, kind="text/event-stream"),
        Way("GET", "/api/verdicts", journal.verdicts, "search, newest first", SEARCH),
        Way("GET", "/api/verdicts/{id}", journal.verdict, "one verdict"),
        Way("GET", "/api/images/{id}", journal.image, "its kept image", _size(), kind=JPEG),
        Way("GET", "/api/trend", journal.trend, "counts over time", {"hours": "1 to 24 (8)"}),
        Way("POST", "/api/relabel", journal.relabel, "say what it really was", body=verdict),
        Way("GET", "/api/recipe", control.recipe, "the recipe, and those there are"),
        Way("POST", "/api/recipe", control.change_recipe, "change it", body={"recipe": "name"}),
        Way("GET", "/api/bundle", control.bundle, "the bundle, and those beside it"),
        Way("POST", "/api/bundle", control.change_bundle, "change it", body={"bundle": "folder"}),
    ]
    document = JSONResponse({})

    async def description(_: Request) -> Response:
        return document

    found.append(Way("GET", "/api/openapi.json", description, "this description"))
    document.body = document.render(openapi.document(found))
    document.headers["content-length"] = str(len(document.body))
    return found


JPEG = "image/jpeg"
_LIVE_TEXT = ("the next verdict, waited for, with its picture: the fields verdict and picture",)
_EVENTS = (
    "server-sent events: status each second, verdict, gap (skipped so many), end",
    {"verdicts": "0 sends the status only (1)"},
)


def _camera() -> dict[str, str]:
    return {"camera": LIVE["camera"]}


def _size() -> dict[str, str]:
    return {"size": "small: a JPEG of at most 480 px"}


def router(found: list[Way]) -> Router:
    """Return what answers every address of the table, and nothing else."""
    routes = []
    for path in dict.fromkeys(way.path for way in found):
        for way in (way for way in found if way.path == path):
            route = Route(path, way.answer, methods=[way.method])
            route.methods = {way.method}  # HEAD of a stream would never end
            routes.append(route)
    return Router(routes, redirect_slashes=False)
