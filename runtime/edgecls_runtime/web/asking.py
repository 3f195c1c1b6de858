"""What a request asks for, read with care."""

import re
from http import HTTPStatus

from starlette.requests import Request

from edgecls_runtime.web.guard import Refusal, parsed

LONGEST_TEXT = 200
VERDICT_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?(Z|\+00:00)?")


def number_of(request: Request, name: str, default: int, least: int = 0, most: int = 2**53) -> int:
    """Return a whole number of the query.

    Raises:
        Refusal: It is none, or too large.

    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 18 and least <= int(text) <= most):
        raise bad(f"{name}: {text!r}; expected a number from {least} to {most}")
    return int(text)


def text_of(request: Request, name: str) -> str:
    """Return a text of the query; empty where it is not given.

    Raises:
        Refusal: It is too long.

    """
    text = request.query_params.get(name, "").strip()
    if len(text) > LONGEST_TEXT:
        raise bad(f"{name}: {len(text)} characters; expected at most {LONGEST_TEXT}")
    return text


def time_of(request: Request, name: str) -> str:
    """Return a time of the query as the journal writes it; empty where it is not given.

    Raises:
        Refusal: It is none.

    """
    text = text_of(request, name)
    if text and not TIME.fullmatch(text):
        raise bad(f"{name}: {text!r}; expected UTC such as 2026-11-28T06:00")
    return text.replace(" ", "T").removesuffix("Z")


def verdict_id_of(text: object) -> str:
    """Return the id of a verdict.

    Raises:
        Refusal: It cannot be one.

    """
    if not isinstance(text, str) or not VERDICT_ID.fullmatch(text):
        raise bad("verdict: expected the id of a verdict")
    return text


async def object_of(request: Request, *keys: str) -> dict[str, str]:
    """Return the texts of a JSON object in the body of a request.

    Raises:
        Refusal: It is something else, or has other keys.

    """
    table = parsed(await request.body(), request.headers.get("content-type", ""))
    found = {key: value for key, value in table.items() if isinstance(value, str)}
    if set(found) != set(keys) or len(found) != len(table):
        raise bad(f"body: expected a JSON object with the texts {', '.join(keys)}")
    return found


def bad(reason: str) -> Refusal:
    """Return what somebody is told whose request makes no sense."""
    return Refusal(HTTPStatus.BAD_REQUEST, reason)
