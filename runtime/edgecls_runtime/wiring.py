"""Settings become an opened station: the one place where all rooms meet."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgecls import plugins
from edgecls.bundle import Bundle
from edgecls.errors import ProviderError
from edgecls_runtime import cameras, golden
from edgecls_runtime.capture import NewestFrame
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.config import Settings
from edgecls_runtime.credentials import hidden
from edgecls_runtime.journal import Journal, SessionLine
from edgecls_runtime.protocols import Camera
from edgecls_runtime.station import Station


@dataclass(frozen=True, slots=True)
class Opened:
    """A station with everything it stands on."""

    station: Station
    classifier: Classifier
    camera: Camera

    @property
    def dropped(self) -> int:
        """Frames that were replaced by newer ones before they were judged."""
        return self.camera.dropped if isinstance(self.camera, NewestFrame) else 0

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
    classifier = _classifier(bundle, settings, base)
    with ExitStack() as opened:
        camera = opened.enter_context(closing(cameras.open_table(settings.camera, base)))
        outputs = [
            opened.enter_context(
                closing(plugins.open_table("edgecls_runtime.outputs", table, "outputs", base))
            )
            for table in settings.outputs
        ]
        station = Station(
            camera,
            classifier,
            settings.rule,
            outputs=outputs,
            timeout=settings.timeout_ms / 1000,
            max_age=settings.max_age_ms / 1000,
        )
        if settings.journal is not None:
            session = _session_line(classifier, settings)
            journal = opened.enter_context(closing(Journal(settings.journal.path, session)))
            station = replace(station, record=journal.record)
        yield Opened(station, classifier, camera)


def _classifier(bundle: Bundle, settings: Settings, base: Path) -> Classifier:
    """Load the bundle on the first provider of the list that is here and answers rightly."""
    faults: list[str] = []
    for table in settings.providers:
        if faults:
            sys.stderr.write(f"{faults[-1]}; trying provider {table['kind']}\n")
        provider = plugins.open_table("edgecls_runtime.providers", table, "providers", base)
        try:
            classifier = Classifier(bundle, provider, settings.variant)
            golden.require(classifier)
        except ProviderError as error:
            faults.append(str(error))
        else:
            return classifier
    raise ProviderError("; ".join(faults))


def _session_line(classifier: Classifier, settings: Settings) -> SessionLine:
    manifest = classifier.bundle.manifest
    return SessionLine(
        bundle=f"{manifest.name} {manifest.version}",
        digest=classifier.bundle.digest,
        variant=classifier.variant.name,
        provider=classifier.provider.name,
        camera=json.dumps(hidden(settings.camera)),
        rule=json.dumps(asdict(settings.rule)),
    )
