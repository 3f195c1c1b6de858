"""What was decided before, with its pictures and what people say of them."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from edgecls.verdict import Verdict
from edgecls_runtime.journal.reading import COUNTED, Query
from edgecls_runtime.web import history
from edgecls_runtime.web.asking import (
    bad,
    number_of,
    object_of,
    text_of,
    time_of,
    verdict_id_of,
)
from edgecls_runtime.web.guard import Refusal
from edgecls_runtime.web.inside import Inside, who_asks
from edgecls_runtime.web.trend import MOST_HOURS

OUTCOMES = (*COUNTED, "incident")
PIECE = 65_536
SMALL = "small"


class JournalApi:
    """Answers about verdicts."""

    def __init__(self, inside: Inside) -> None:
        """Take what is behind the login."""
        self._inside = inside

    async def verdicts(self, request: Request) -> Response:
        """Search the journal."""
        journal = self._inside.journal
        query = Query(
            since=time_of(request, "since"),
            until=time_of(request, "until"),
            counts_as=_outcomes(text_of(request, "outcome")),
            part=text_of(request, "part"),
            text=text_of(request, "text"),
            label=text_of(request, "label"),
        )
        before, most = text_of(request, "before"), number_of(request, "most", 50, 1, history.MOST)
        found = await self._inside.disk.run(journal.find, query, before, most)
        tables = await self._tables(found.verdicts)
        return JSONResponse(
            {"verdicts": tables, "next": found.next, "searched_to": found.searched_to}
        )

    async def verdict(self, request: Request) -> Response:
        """Return one verdict."""
        found = await self._one(verdict_id_of(request.path_params["id"]))
        return JSONResponse((await self._tables([found]))[0])

    async def image(self, request: Request) -> Response:
        """Return the kept image of a verdict, as it is or small."""
        verdict_id = verdict_id_of(request.path_params["id"])
        size = text_of(request, "size")
        # It never changes; whoever has it still has to be signed in to be told so.
        headers = {"ETag": f'"{verdict_id}-{size}"', "Cache-Control": "private, no-cache"}
        given, pictures = self._inside.given, self._inside.pictures
        if size not in ("", SMALL):
            raise bad(f"size: {size!r}; expected {SMALL}, or nothing")
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if size == SMALL:
            small = await pictures.run(given.small, verdict_id)
            found = None if small is None else ("image/jpeg", small)
        else:
            found = await pictures.run(given.original, verdict_id)
        if found is None:
            raise Refusal(HTTPStatus.NOT_FOUND, f"verdict {verdict_id}: no image is kept")
        headers["Content-Length"] = str(len(found[1]))
        return StreamingResponse(_pieces(found[1]), media_type=found[0], headers=headers)

    async def trend(self, request: Request) -> Response:
        """Return how many parts passed over the last hours."""
        hours = number_of(request, "hours", 8, 1, MOST_HOURS)
        trend = self._inside.trend
        if trend is None:
            raise Refusal(HTTPStatus.CONFLICT, "the station keeps no journal; set [journal] path")
        return JSONResponse(await self._inside.disk.run(trend.points, hours))

    async def relabel(self, request: Request) -> Response:
        """Keep what a part really was."""
        given = await object_of(request, "verdict", "label")
        labels = self._inside.labels
        if labels is None:
            raise Refusal(
                HTTPStatus.CONFLICT, "the station keeps no images; add an output of kind image"
            )
        found = await self._one(verdict_id_of(given["verdict"]))
        await self._inside.disk.run(labels.say, found.id, given["label"], who_asks(request))
        return JSONResponse((await self._tables([found]))[0])

    async def _one(self, verdict_id: str) -> Verdict:
        found = await self._inside.disk.run(self._inside.journal.one, verdict_id)
        if found is None:
            raise Refusal(HTTPStatus.NOT_FOUND, f"verdict {verdict_id}: not in this journal")
        return found

    async def _tables(self, verdicts: Sequence[Verdict]) -> list[dict[str, object]]:
        """Return verdicts as JSON knows them, with what is kept and said of each."""
        labels = self._inside.labels
        ids = [verdict.id for verdict in verdicts]
        kept = await self._inside.pictures.run(self._inside.given.kept, ids)
        said = await self._inside.disk.run(labels.all) if labels else {}
        return [
            {
                **verdict.table(),
                "counts_as": verdict.counts_as,
                "has_image": verdict.id in kept,
                "said": said.get(verdict.id, ""),
            }
            for verdict in verdicts
        ]


def _outcomes(text: str) -> tuple[str, ...]:
    found = tuple(word for word in text.split(",") if word)
    for word in found:
        if word not in OUTCOMES:
            raise bad(f"outcome: {word!r}; expected of {', '.join(OUTCOMES)}")
    return found


def _pieces(data: bytes) -> Iterator[bytes]:
    """Yield an image in pieces, each of which a client has to take in its time."""
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
