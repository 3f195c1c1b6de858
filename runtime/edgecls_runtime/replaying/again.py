"""Judge a kept image as a station would, with another bundle or another rule."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls import schema
from edgecls.errors import ConfigError, ImageError
from edgecls.verdict import Verdict
from edgecls_runtime import fingerprint
from edgecls_runtime.capture.ahead import PreparedFrame
from edgecls_runtime.config import Settings
from edgecls_runtime.decision import Rule
from edgecls_runtime.evidence.picture import image_of
from edgecls_runtime.evidence.reading import Kept
from edgecls_runtime.failover import Failover
from edgecls_runtime.images import read_file
from edgecls_runtime.replaying.then import Then
from edgecls_runtime.views.looking import Looking
from edgecls_runtime.views.settings import View, of_camera


@dataclass(frozen=True, slots=True)
class Judging:
    """A rule, and where it looks; as of ``Settings``.

    Attributes:
        alone: Whether one frame decides about a part; else several frames or cameras together, of
            which one image is kept.

    """

    rule: Rule
    views: tuple[View, ...] = ()
    frame_px: tuple[int, int] | None = None
    alone: bool = True

    def views_of(self, station: str) -> tuple[View, ...]:
        """Return where is looked in the frames of a station, by its name, which ends its camera."""
        cameras = {view.camera for view in self.views if view.camera is not None}
        camera = next((c for c in cameras if f" {station}".endswith(f" {c}")), "")
        return of_camera(self.views, camera)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is decided now.

    Attributes:
        verdict: By the rule.
        pixels: Fingerprint of what the network got.
        good: The labels that let a part pass.
        alone: Whether the frame decided alone then.

    """

    verdict: Verdict
    pixels: str
    good: tuple[str, ...]
    alone: bool


class Again:
    """Judges images again, each by its own rule of then or all by one of now."""

    def __init__(self, classify: Failover, judging: Judging | None = None) -> None:
        """Choose who answers, and by which rule; None is the one of then.

        Raises:
            ConfigError: The rule names a label that the bundle lacks.

        """
        self._classify, self._judging = classify, judging
        self._known: dict[str, Judging] = {}
        self._looking: dict[tuple[str, str], Looking] = {}
        if judging is not None:
            self._check(judging)

    def __call__(self, then: Then) -> Answer:
        """Judge the image of one part.

        Raises:
            ImageError: It is missing, damaged, was changed since it was kept, or has another size
                than the views.
            ConfigError: The rule of then is none for this bundle.
            ProviderError: The engine failed.

        """
        judging = self._judging or self._of_then(then.judge.rule)
        image = pixels_of(then.kept)
        views = judging.views_of(then.camera)
        see = self._looks(then, judging, views) if views else self._classify
        try:
            prepared = see.prepare(image)
            frame = PreparedFrame(
                image, 0, time.monotonic(), str(then.kept.path), prepared=prepared
            )
            found: Any = see(frame)
        except (ConfigError, ValueError) as error:  # a frame of another size than views want
            raise ImageError(f"{then.kept.path}: {error}") from error
        judge: Callable[[Any], Verdict] = judging.rule.judge_places if views else judging.rule
        alone = not then.judge.rule or _of_text(then.judge.rule).alone
        return Answer(judge(found), fingerprint.of(prepared), judging.rule.good, alone)

    def _looks(self, then: Then, judging: Judging, views: tuple[View, ...]) -> Looking:
        key = then.camera, "" if self._judging else then.judge.rule
        if key not in self._looking:
            self._looking[key] = Looking(views, judging.frame_px, self._classify)
        return self._looking[key]

    def _of_then(self, rule: str) -> Judging:
        if rule not in self._known:
            if not rule:
                raise ConfigError(
                    "replay: an evidence folder does not know by which rule it was judged; "
                    "say with --rule STATION.toml"
                )
            self._known[rule] = _of_text(rule)
            self._check(self._known[rule])
        return self._known[rule]

    def _check(self, judging: Judging) -> None:
        labels = self._classify.classifier.bundle.labels
        try:
            judging.rule.check(labels)
            for view in judging.views:
                view.check(labels)
        except ConfigError as error:
            if self._judging is not None:
                raise
            raise ConfigError(
                f"the rule of then: {error}; say with --rule STATION.toml how this bundle is judged"
            ) from error


def of_station(settings: Settings) -> Judging:
    """Return how a station file judges."""
    return Judging(settings.rule, settings.views, settings.frame_px)


def pixels_of(kept: Kept) -> NDArray[np.uint8]:
    """Return the image of a kept file as it was judged: uint8 (height, width, 3), RGB.

    Raises:
        ImageError: It is missing, damaged, or was changed since it was kept.

    """
    raw = read_file(kept.path)
    told = image_table(kept)
    wanted = told.get("sha256")
    if wanted is not None and hashlib.sha256(raw.data).hexdigest() != wanted:
        raise ImageError(f"{kept.path}: not the file that was kept; it was changed or is damaged")
    return image_of(raw, str(kept.path), upright=bool(told.get("upright", True)))


def image_table(kept: Kept) -> dict[str, object]:
    """Return what is said about a kept file; nothing where nothing is said."""
    table = kept.table().get("image")
    return table if isinstance(table, dict) else {}


@cache
def _of_text(rule: str) -> Judging:
    """Return what the journal wrote of a rule, its views, and who decides together."""
    table = json.loads(rule)
    together = [table.pop(key, None) for key in ("vote", "parts")]
    places = {"views": table.pop("views", ()), "frame_px": table.pop("frame_px", None)}
    found = {"rule": table, **places, "alone": not any(together)}
    return schema.call(Judging, found, "the rule of then")
