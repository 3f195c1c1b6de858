"""From the bundle to a verdict: opened, proven, one frame of each camera judged, nobody told."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from edgecls.bundle import Bundle
from edgecls.frame import Frame
from edgecls.verdict import Look
from edgecls_runtime import golden, one_frame
from edgecls_runtime.changes import jobs, recipes
from edgecls_runtime.config import Settings
from edgecls_runtime.doctor.finding import Finding, fault, looked, not_tried, ok
from edgecls_runtime.failover import Failover
from edgecls_runtime.health.watch import Watch
from edgecls_runtime.opening import Allowed, open_classifier
from edgecls_runtime.protocols import Camera

NO_BUNDLE = "not without the bundle"


@dataclass(slots=True)
class Judging:
    """What judges, as far as it could be opened.

    Attributes:
        settings: The station file.
        base: What relative paths in its tables of hardware are relative to.
        wrong: Tables that cannot be opened.
        bundle: None where it cannot be opened.
        classify: None where nothing answers.

    """

    settings: Settings
    base: Path
    wrong: frozenset[str]
    bundle: Bundle | None = None
    classify: Failover | None = None

    def examined(self) -> Iterator[Finding]:
        """Yield what was found in bundle, rule, provider, cameras and verdicts."""
        yield looked("bundle", self._bundle)
        yield looked("rule", self._rule, is_of_file=True)
        with ExitStack() as stack:
            yield looked("provider", lambda: self._provider(stack), is_of_file=True)
            for name in self.settings.all_cameras:
                yield from self._camera(name)

    def _bundle(self) -> Finding:
        bundle = self.bundle = Bundle.open(self.settings.bundle)
        manifest = bundle.manifest
        return ok(
            "bundle",
            f"{manifest.name} {manifest.version}: {len(manifest.files)} files unaltered, "
            f"labels {', '.join(bundle.labels)}",
            digest=bundle.digest,
        )

    def _rule(self) -> Finding:
        if self.bundle is None:
            return not_tried("rule", NO_BUNDLE)
        self.settings.rule.check(self.bundle.labels)
        recipes.check_labels(self.settings.recipes)
        of_recipes = (
            f", and of {len(self.settings.recipes)} recipes" if self.settings.recipes else ""
        )
        return ok("rule", f"the bundle knows every label of it{of_recipes}")

    def _provider(self, stack: ExitStack) -> Finding:
        """Open the classifier where the station would, and compute its golden samples again."""
        bundle, settings = self.bundle, self.settings
        if bundle is None:
            return not_tried("provider", NO_BUNDLE)
        if any(where.startswith("providers") for where in self.wrong):
            return not_tried("provider", "its table is wrong")
        allowed = Allowed(settings.providers, settings.variant, settings.placement, self.base)
        passed_over: list[str] = []
        failover = Failover(
            lambda: open_classifier(bundle, allowed, passed_over.append), passed_over.append
        )
        self.classify = stack.enter_context(closing(failover))
        classifier = failover.classifier
        checks = golden.check(classifier)
        worst = max(check.difference for check in checks)
        found = ok(
            "provider",
            f"{classifier.variant.name} on {classifier.provider.name}: {len(checks)} golden "
            f"samples within {worst:.2g} (allowed {checks[0].tolerance:.2g}); "
            f"{classifier.placement}",
            variant=classifier.variant.name,
            provider=classifier.provider.name,
            passed_over=passed_over,
        )
        return replace(found, lines=tuple(f"passed over: {text}" for text in passed_over))

    def _camera(self, name: str) -> Iterator[Finding]:
        """Yield what was found of a camera, and what is decided about a frame of it."""
        room, verdict_room = f"camera {name}".strip(), f"verdict {name}".strip()
        if (f"cameras.{name}" if name else "camera") in self.wrong:
            yield not_tried(room, "its table is wrong")
            return
        frames: list[Frame] = []
        yield looked(room, lambda: self._frame(room, name, frames), is_of_file=True)
        if not frames:
            yield not_tried(verdict_room, "not without a frame")
        elif self.classify is None:
            yield not_tried(verdict_room, "nothing answers")
        else:
            classify = self.classify
            yield looked(
                verdict_room,
                lambda: self._verdict(verdict_room, name, frames[0], classify),
                is_of_file=True,
            )

    def _frame(self, room: str, name: str, frames: list[Frame]) -> Finding:
        """Open a camera and take a frame that is fit to be judged, if one comes."""
        settings = self.settings
        with one_frame.opened(settings, name, self.base) as camera:
            watch = Watch(settings.health.expected(name, live=camera.live))
            frame, unfit = fit_frame(camera, watch, settings.timeout_ms / 1000)
            age = 1000 * (time.monotonic() - frame.captured_at)
        frames.append(frame)
        if unfit:
            return fault(room, f"frame not fit to be judged: {unfit}")
        height, width = frame.image.shape[:2]
        size = f"{frame.camera}: {width} x {height} px"
        if camera.live and age > settings.max_age_ms:
            return fault(
                room,
                f"{size}, {age:.0f} ms old; expected at most max_age_ms, {settings.max_age_ms:g}: "
                f"each part would be REVIEW",
            )
        return ok(
            room,
            f"{size}, {age:.0f} ms old, fit to be judged",
            frame_px=[width, height],
            age_ms=round(age, 1),
        )

    def _verdict(self, room: str, name: str, frame: Frame, classify: Failover) -> Finding:
        seeing = jobs.seeing_of(self.settings, name, classify)
        began = time.monotonic()
        verdict = seeing.judge(seeing.classify(frame))
        latency = 1000 * (time.monotonic() - began)
        found = ok(
            room,
            f"{verdict.outcome.upper()} in {latency:.1f} ms: {verdict.reason}",
            outcome=verdict.outcome,
            reason=verdict.reason,
            latency_ms=round(latency, 3),
            places=[look.table() for look in verdict.looks],
        )
        return replace(found, lines=tuple(map(_place, verdict.looks)))


def fit_frame(camera: Camera, watch: Watch, timeout: float) -> tuple[Frame, str]:
    """Return a frame, and what is wrong with it; empty for one that is fit to be judged.

    The first frames of a camera that sets its exposure by itself are too dark or too bright: of a
    live one frames are taken until one is fit, for ``timeout`` seconds.

    Raises:
        CameraError: None came within ``timeout`` seconds.

    """
    deadline = time.monotonic() + timeout
    while True:
        frame = one_frame.taken(camera, timeout)
        unfit = watch.fault(frame)
        if not unfit or not camera.live or time.monotonic() > deadline:
            return frame, unfit


def _place(look: Look) -> str:
    return f"{look.name}: {look.outcome.upper()}, {look.label} {look.score:.3f}"
