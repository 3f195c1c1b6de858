"""A verdict as a row of the journal, and back."""

import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from edgecls.prediction import Prediction
from edgecls.verdict import Cause, Look, Outcome, Verdict
from edgecls_runtime.journal.chain import Value

# Of a thousand labels the best few say why; a thousand numbers a part would fill the disk.
KEPT_SCORES = 5


def row(verdict: Verdict) -> dict[str, Value]:
    """Return the columns of a verdict, ``id`` and ``session`` left out."""
    announced = verdict.announced_at
    return {
        "part": text(verdict.part),
        "frame_number": _integer(verdict.frame_number),
        "outcome": verdict.outcome.value,
        "reason": text(verdict.reason),
        **_scored(verdict.prediction),
        "recorded_at": verdict.recorded_at,
        "latency_ms": _ms(verdict.latency),
        "looks": json.dumps([look.table() for look in verdict.looks]) if verdict.looks else None,
        "camera": verdict.camera,
        "cause": verdict.cause.value,
        "announced_at": None if announced is None else wall_clock(announced),
        "waited_ms": _ms(verdict.waited),
        "recipe": verdict.recipe,
        "image_sha256": verdict.image_sha256,
    }


def text(found: str) -> str:
    r"""Return a text as SQLite takes it: half a character, as of a driver's bytes, is escaped."""
    return found.encode("utf-8", "backslashreplace").decode()


def _scored(prediction: Prediction | None) -> dict[str, Value]:
    if prediction is None:
        return {"label": None, "score": None, "scores": None}
    best = {label: _number(score) for label, score in prediction.top(KEPT_SCORES)}
    return {
        "label": prediction.label,
        "score": _number(prediction.score),
        "scores": json.dumps(best),
    }


def verdict(row: Mapping[str, Value], journal: str, bundle: str) -> Verdict:
    """Return a row as a verdict, whose moments are relative to its decision.

    Args:
        row: Its columns.
        journal: Id of the journal.
        bundle: What judged it, as of ``Verdict.bundle``.

    """
    return Verdict(
        Outcome(str(row["outcome"])),
        str(row["reason"]),
        _prediction(row),
        str(row["part"]),
        None if row["frame_number"] is None else int(row["frame_number"]),
        _ago(row["latency_ms"]),
        looks=_looks(row["looks"]),
        camera=str(row["camera"]),
        cause=Cause(str(row["cause"])),
        announced_at=_ago(row["waited_ms"]),
        id=verdict_id(journal, row["id"]),
        recorded_at=str(row["recorded_at"]),
        bundle=bundle,
        recipe=str(row["recipe"]),
        image_sha256=str(row["image_sha256"]),
    )


def verdict_id(journal: str, row: Value) -> str:
    """Return the id of a verdict; it is its alone among all journals."""
    return f"{journal}-{row}"


def row_number(verdict_id: str) -> int:
    """Return which row of its journal a verdict is."""
    return int(verdict_id.rpartition("-")[2])


def wall_clock(moment: float) -> str:
    """Return a moment of the monotonic clock as UTC, by what the clocks say now."""
    ago = timedelta(seconds=time.monotonic() - moment)
    return (datetime.now(UTC) - ago).isoformat(timespec="milliseconds")


def _prediction(row: Mapping[str, Value]) -> Prediction | None:
    if row["label"] is None:
        return None
    # The answer first: of a binary task it need not have the higher score.
    scores = json.loads(str(row["scores"] or "{}"))
    label = str(row["label"])
    found = {label: row["score"], **{k: v for k, v in scores.items() if k != label}}
    numbers = [math.nan if value is None else float(value) for value in found.values()]
    return _Kept(np.array(numbers, np.float32), tuple(found))


class _Kept(Prediction):
    """The best few scores of a prediction; the first label is the answer, whatever its score."""

    __slots__ = ()

    @property
    def best(self) -> int:
        return 0


def _looks(text: Value) -> tuple[Look, ...]:
    return tuple(
        Look(
            one["name"],
            tuple(tuple(corner) for corner in one["outline"]),  # type: ignore[arg-type]
            Outcome(one["outcome"]),
            one["label"],
            math.nan if one["score"] is None else one["score"],
        )
        for one in json.loads(str(text or "[]"))
    )


def _integer(number: int | None) -> int | None:
    """Return a number as SQLite keeps it, in 64 bits; a camera that counts beyond has none."""
    return number if number is not None and abs(number) < 2**63 else None


def _number(score: float) -> float | None:
    """Return a score as SQLite keeps it: it knows no NaN, and no -0.0."""
    return round(float(score), 6) + 0.0 if math.isfinite(score) else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * float(seconds), 3) + 0.0


def _ago(ms: Value) -> float | None:
    return None if ms is None else -float(ms) / 1000
