"""The operator's page of a station file, opened beside its stations."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from edgecls.progress import tell
from edgecls_runtime.changes.control import Control
from edgecls_runtime.config import Settings
from edgecls_runtime.evidence.reading import Evidence
from edgecls_runtime.telling.outbox import Momentary, Outbox, Traits
from edgecls_runtime.telling.settings import Audience
from edgecls_runtime.web.hub import Hub
from edgecls_runtime.web.opening import Seen, open_web
from edgecls_runtime.web.pictures import NoPictures
from edgecls_runtime.web.status import Status


def opened(
    settings: Settings,
    base: Path,
    status: Callable[[], Status],
    control: Control,
    stack: ExitStack,
) -> Outbox:
    """Open the page and return what tells it of verdicts.

    Args:
        settings: The station file, with a ``[web]`` table.
        base: What relative paths in its tables of hardware are relative to.
        status: How the stations stand.
        control: Changes recipe and bundle.
        stack: Closes it.

    Raises:
        ConfigError: The port is taken, or a file of the settings is not what it should be.
        MissingExtra: A package is not installed.

    """
    assert settings.web is not None  # noqa: S101 - the caller has looked
    hub = Hub()
    folder = _evidence(settings, base)
    seen = Seen(
        hub,
        status,
        settings.journal.path if settings.journal else None,
        control,
        Evidence(folder) if folder else NoPictures(),
        folder,
    )
    traits = Traits(frames=True, patient=True)
    outbox = stack.enter_context(
        closing(Momentary(hub, Audience("web"), None, tell, traits=traits))
    )
    stack.enter_context(closing(open_web(settings.web, seen)))
    return outbox


def _evidence(settings: Settings, base: Path) -> Path | None:
    """Return where images are kept; None where none are."""
    kept = (table for table in settings.outputs if table.get("kind") == "image")
    table = next(kept, None)
    return None if table is None else base / str(table.get("path", ""))
