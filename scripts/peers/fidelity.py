"""What a pipeline's speed costs: grey levels from training's resize, and answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from peers.model import Model
from peers.process import PeerFailed, Process
from peers.rounds import Subject

MOST_GREY = 1.0
MOST_POINTS = 0.2


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What one pipeline of one engine answers.

    Attributes:
        large: Mean difference, grey levels, from training's resize on 1080p images; None where the
            peer does not show what the network sees.
        own: The same on photos at their own size; None without photos.
        top1: Share of photos answered rightly, 0..1; None where weights are random.

    """

    large: float | None
    own: float | None
    top1: float | None

    def equal(self, reference: float | None) -> bool:
        """Tell whether it is as good as training's transform before PyTorch.

        Frames are what is timed, so the difference on 1080p images decides; the one on photos at
        their own size is told beside it. Where the peer hides its resized image, it is not equal.

        Args:
            reference: Top-1 of plain onnxruntime behind training's resize; None for random weights.

        """
        if self.large is None or self.large > MOST_GREY:
            return False
        if reference is None or self.top1 is None:
            return True
        return 100 * (reference - self.top1) <= MOST_POINTS + 1e-9


def judge(
    model: Model,
    subjects: Iterable[Subject],
    sets: Sequence[Path],
    answered: Path | None,
    truth: Sequence[int],
) -> dict[tuple[str, str], Fidelity]:
    """Judge every pipeline of every engine, by name and way."""
    found: dict[tuple[str, str], Fidelity] = {}
    grey: dict[tuple[str, str], dict[str, float | None]] = {}
    for subject in subjects:
        with Process(subject.python, subject.peer, 2) as process:
            try:
                ways = process.ask("open", model=model.folder, engine=subject.engine, threads=2)
                for way in ways["ways"][ways["ways"][0] == "network" :]:
                    key = (subject.peer, way)  # the engine behind it changes no pixel
                    grey[key] = grey.get(key) or _grey(process, way, sets)
                    top1 = _top1(process, way, answered, truth) if answered else None
                    off = grey[key]
                    found[subject.name, way] = Fidelity(off.get("large"), off.get("own"), top1)
            except PeerFailed:
                continue  # ``measure`` has said why
    return found


def _grey(process: Process, way: str, sets: Sequence[Path]) -> dict[str, float | None]:
    return {images.name: process.ask("error", way=way, images=images)["error"] for images in sets}


def _top1(process: Process, way: str, answered: Path, truth: Sequence[int]) -> float:
    answers: list[int] = process.ask("answers", way=way, images=answered)["answers"]
    return sum(a == t for a, t in zip(answers, truth, strict=True)) / len(truth)
