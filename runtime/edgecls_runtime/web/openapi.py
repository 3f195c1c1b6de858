"""The table of addresses as OpenAPI 3.1 describes them."""

import re
from collections.abc import Sequence
from typing import Protocol

from edgecls import __version__

OPEN = ("/login",)


class Described(Protocol):
    """One address and method, as ``routes.Way`` says it."""

    @property
    def method(self) -> str:
        """``GET`` or ``POST``."""
        ...

    @property
    def path(self) -> str:
        """With names of its variable parts in braces."""
        ...

    @property
    def text(self) -> str:
        """What it does."""
        ...

    @property
    def query(self) -> dict[str, str]:
        """What may be asked."""
        ...

    @property
    def body(self) -> dict[str, str]:
        """What is posted."""
        ...

    @property
    def kind(self) -> str:
        """Type of the answer."""
        ...


def document(ways: Sequence[Described]) -> dict[str, object]:
    """Return the description of every address below ``/api``, of the login and of the logout."""
    paths: dict[str, dict[str, object]] = {}
    for way in ways:
        if way.path.startswith("/api/") or way.method == "POST":
            paths.setdefault(way.path, {})[way.method.lower()] = _operation(way)
    return {
        "openapi": "3.1.0",
        "info": {"title": "edgecls station", "version": __version__},
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "edgecls"},
            }
        },
    }


def _operation(way: Described) -> dict[str, object]:
    names = re.findall(r"\{(\w+)\}", way.path)
    parameters = [_parameter(name, "path", "of the address") for name in names]
    parameters += [_parameter(name, "query", text) for name, text in way.query.items()]
    operation: dict[str, object] = {
        "summary": way.text,
        "parameters": parameters,
        "responses": {
            "200": {"description": "done", "content": {way.kind: {}}},
            "400": {"description": "the request makes no sense; error says why"},
            "401": {"description": "not signed in"},
            "403": {"description": "asked for by another site's page"},
        },
    }
    if way.path in OPEN:
        operation["security"] = []
    if way.body:
        fields = {n: {"type": "string", "description": text} for n, text in way.body.items()}
        schema = {"type": "object", "properties": fields}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def _parameter(name: str, place: str, text: str) -> dict[str, object]:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": text,
        "schema": {"type": "string"},
    }
