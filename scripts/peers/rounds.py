"""Take turns: every peer answers a few times while the others sleep, round after round."""

import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from peers.model import Model
from peers.process import PeerFailed, Process

SLOT_S = 0.12
LEAST = 5
QUICK = 0.25


@dataclass(frozen=True, slots=True)
class Subject:
    """One engine of one peer, on one model."""

    peer: str
    engine: str
    python: Path

    @property
    def name(self) -> str:
        """Return what tables call it."""
        return f"{self.peer} {self.engine}"


@dataclass(slots=True)
class Timed:
    """One way to answer.

    Attributes:
        subject: Which engine answers.
        way: ``network``, or the name of a pipeline.
        ms: Of each round; of its answers the one that a quarter were quicker than: other programs
            on the machine only ever add time. On one thread the processor's time, which they do
            not add to; on more, the clock's.

    """

    subject: Subject
    way: str
    ms: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Session:
    """All peers at once, on one model and one number of threads."""

    timed: list[Timed]
    versions: dict[str, str]
    cosines: dict[str, float | None]
    failed: dict[str, str]


def measure(
    model: Model, subjects: Sequence[Subject], threads: int, frame: Path, rounds: int
) -> Session:
    """Start every peer once, then interleave."""
    result = Session([], {}, {}, {})
    with ExitStack() as opened:
        running: list[tuple[Process, Timed, int]] = []
        for subject in subjects:
            process = opened.enter_context(Process(subject.python, subject.peer, threads))
            try:
                running += _opened(process, subject, (model, threads, frame), result)
            except PeerFailed as error:
                result.failed[subject.name] = str(error)
        for number in range(rounds):
            print(
                f"\r{model.name}, {threads} threads: round {number + 1} of {rounds} ",
                end="\n" if number + 1 == rounds else "", file=sys.stderr, flush=True,
            )  # fmt: skip
            turn = number * 7 % max(len(running), 1)
            for process, timed, iterations in running[turn:] + running[:turn]:
                reply = process.ask("run", way=timed.way, frame=frame, iterations=iterations)
                timed.ms.append(_quick(reply["processor" if threads == 1 else "clock"]))
    result.timed = [timed for _, timed, _ in running]
    return result


def _opened(
    process: Process, subject: Subject, given: tuple[Model, int, Path], result: Session
) -> list[tuple[Process, Timed, int]]:
    """Load, check the answers, and find how many fit into a slot."""
    model, threads, frame = given
    found = process.ask("open", model=model.folder, engine=subject.engine, threads=threads)
    result.versions[subject.peer] = found["version"]
    result.cosines[subject.name] = process.ask("agree")["cosine"]
    ways = []
    for way in found["ways"]:
        seconds = process.ask("run", way=way, frame=frame, iterations=3)["clock"]
        iterations = max(LEAST, round(SLOT_S / statistics.median(seconds)))
        ways.append((process, Timed(subject, way), iterations))
    return ways


def _quick(seconds: list[float]) -> float:
    return 1000 * sorted(seconds)[int(len(seconds) * QUICK)]


def ratios(baseline: Timed, timed: Timed) -> list[float]:
    """Return the baseline's time divided by the other's, of each round: above 1 is faster."""
    return [b / t for b, t in zip(baseline.ms, timed.ms, strict=True)]
