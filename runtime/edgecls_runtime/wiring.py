"""Settings become an opened station: the one place where all rooms meet."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgecls import plugins
from edgecls.bundle import Bundle
from edgecls.progress import tell
from edgecls.verdict import Verdict
from edgecls_runtime import cameras
from edgecls_runtime.capture import NewestFrame
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.config import Settings
from edgecls_runtime.credentials import hidden
from edgecls_runtime.failover import Failover
from edgecls_runtime.journal import Journal, SessionLine
from edgecls_runtime.opening import Allowed, open_classifier
from edgecls_runtime.pipeline import PATIENCE_S, Ahead, Image
from edgecls_runtime.protocols import Camera
from edgecls_runtime.station import Station


@dataclass(frozen=True, slots=True)
class Opened:
    """A station with everything it stands on."""

    station: Station
    classify: Failover
    camera: Camera

    @property
    def dropped(self) -> int:
        """Frames that were replaced by newer ones before they were judged."""
        ahead = self.station.camera
        prepared = ahead.dropped if isinstance(ahead, Ahead) else 0
        return prepared + (self.camera.dropped if isinstance(self.camera, NewestFrame) else 0)

    @property
    def reopened(self) -> int:
        """How often the camera was lost and opened again."""
        return self.camera.reopened if isinstance(self.camera, NewestFrame) else 0


@contextmanager
def open_station(settings: Settings, base: Path = Path()) -> Iterator[Opened]:
    """Open bundle, provider, camera, outputs and journal, in this order; close them afterwards.

    Args:
        settings: What to open.
        base: What relative paths in the tables of hardware are relative to.

    Raises:
        EdgeclsError: Something cannot be opened; what was opened before is closed again.

    """
    bundle = Bundle.open(settings.bundle)
    settings.rule.check(bundle.labels)
    allowed = Allowed(settings.providers, settings.variant, settings.placement, base)
    with ExitStack() as opened:
        classify = opened.enter_context(
            closing(Failover(lambda: open_classifier(bundle, allowed), tell))
        )
        camera = opened.enter_context(closing(cameras.open_table(settings.camera, base)))
        ahead = opened.enter_context(closing(_ahead(camera, classify, settings)))
        outputs = [
            opened.enter_context(
                closing(plugins.open_table("edgecls_runtime.outputs", table, "outputs", base))
            )
            for table in settings.outputs
        ]
        station = Station(
            ahead,
            classify,
            settings.rule,
            outputs=outputs,
            timeout=settings.timeout_ms / 1000,
            max_age=settings.max_age_ms / 1000,
        )
        if settings.journal is not None:
            record = _Recorder(settings.journal.path, classify, settings)
            opened.enter_context(closing(record))
            station = replace(station, record=record)
        yield Opened(station, classify, camera)


def _ahead(camera: Camera, classify: Failover, settings: Settings) -> Camera:
    """Return the camera with its frames prepared ahead; as it is where that is not wanted."""
    if not settings.prepare_threads:
        return camera

    def prepare(image: Image, out: Image | None) -> Image:
        # By the classifier that answers now: after a loss it may be another one.
        return classify.classifier.prepare(image, out)

    return Ahead(
        camera,
        prepare,
        workers=settings.prepare_threads,
        timeout=settings.timeout_ms / 1000,
        patience=min(PATIENCE_S, settings.max_age_ms / 2000),
    )


class _Recorder:
    """A journal that begins a session anew when another provider or variant judges."""

    def __init__(self, path: Path, classify: Failover, settings: Settings) -> None:
        self._classify, self._settings = classify, settings
        self._judge = classify.classifier
        self._journal = Journal(path, _session_line(self._judge, settings))

    def __call__(self, verdict: Verdict) -> None:
        if self._classify.classifier is not self._judge:
            self._judge = self._classify.classifier
            self._journal.begin(_session_line(self._judge, self._settings))
        self._journal.record(verdict)

    def close(self) -> None:
        self._journal.close()


def _session_line(classifier: Classifier, settings: Settings) -> SessionLine:
    manifest = classifier.bundle.manifest
    return SessionLine(
        bundle=f"{manifest.name} {manifest.version}",
        digest=classifier.bundle.digest,
        variant=classifier.variant.name,
        provider=classifier.provider.name,
        camera=json.dumps(hidden(settings.camera)),
        rule=json.dumps(asdict(settings.rule)),
        placement=str(classifier.placement),
    )
