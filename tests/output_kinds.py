"""What the specification of outputs knows of a kind, and the verdicts that it tells.

Each family of outputs has a file ``tests/outputs_<family>.py`` with a table ``KINDS`` of its kinds
by name; ``kinds`` finds those files: adding one is adding a file.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from edgecls import plugins
from edgecls.prediction import Prediction
from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.protocols import Output

ROOM = "edgecls_runtime.outputs"
Table = dict[str, object]


@dataclass(frozen=True)
class Peer:
    """An output as a station opens it, and what can be seen from its other side.

    Attributes:
        output: Opened.
        shows: Whether the other side has a verdict, as this kind tells it; asked until it has.
        is_safe: Whether the other side shows the declared safe state; None where there is none.
        lose: Makes the other side go away; None where nothing can.
        restore: Brings it back.

    """

    output: Output
    shows: Callable[[Verdict], bool]
    is_safe: Callable[[], bool] | None = None
    lose: Callable[[], object] | None = None
    restore: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Kind:
    """One kind of output, or one way to open it.

    Attributes:
        table: Keys that are well formed; ``kind`` among them. Nobody needs to be there.
        opened: Yields it opened against a real peer, and ends both.
        absent: Returns a table whose other side is not there.
        says: Matches the error of that, from its beginning.
        needed: What must be installed, as ``trigger_sources.missing`` takes it.
        extra: Name of a module, and the error that tells how to install it; None where the kind
            needs no extra.
        wrong: Keys over those of ``table`` that no such output takes, each with the message behind
            ``outputs.``.

    """

    table: Table
    opened: Callable[[pytest.FixtureRequest], Iterator[Peer]]
    absent: Callable[[pytest.FixtureRequest], Table]
    says: str
    needed: tuple[str, ...] = ()
    extra: tuple[str, str] | None = None
    wrong: tuple[tuple[Table, str], ...] = ()


def kinds() -> dict[str, Kind]:
    """Return every kind of every family, by the name of its entry."""
    families = sorted(path.stem for path in Path(__file__).parent.glob("outputs_*.py"))
    found: dict[str, Kind] = {}
    for family in families:
        its: dict[str, Kind] = import_module(family).KINDS
        assert not its.keys() & found.keys(), f"{family}: a name that another family has"
        found |= its
    return found


def open_output(table: Table) -> Output:
    """Open an output as a station file describes it."""
    output: Output = plugins.open_table(ROOM, table, "outputs")
    return output


def prediction(label: str = "ok", score: float = 0.98) -> Prediction:
    """Return the scores of a part of two labels, the first of them given."""
    return Prediction(np.array([score, 1 - score], np.float32), (label, "scratch"))


def verdict(counts_as: str, part: str = "1", label: str = "ok") -> Verdict:
    """Return a verdict that was reached just now, of a part that nobody announced.

    Args:
        counts_as: What it is to count as.
        part: Id of the part; also what makes the verdict's own id.
        label: The answer.

    """
    now = time.monotonic()
    judged = counts_as in set(Outcome)
    return Verdict(
        Outcome(counts_as) if judged else Outcome.REVIEW,
        f"{label} 0.98 of a {counts_as}",
        prediction(label) if judged else None,
        part=part,
        frame_number=7 if judged else None,
        captured_at=now if counts_as != Cause.INCIDENT else None,
        decided_at=now,
        cause=Cause.JUDGED if judged else Cause(counts_as),
        id=f"0123456789abcdef-{part}",
        recorded_at="2026-01-02T03:04:05.678Z",
        bundle="bolt 3 0123456789ab",
        image_sha256="0" * 64 if judged else "",
    )
