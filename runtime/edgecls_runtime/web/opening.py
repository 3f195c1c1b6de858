"""Settings become an open page: a port, a thread, and what answers there."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgecls.errors import MissingExtra
from edgecls.progress import tell
from edgecls_runtime.changes.control import Control
from edgecls_runtime.web.hub import Hub
from edgecls_runtime.web.pictures import NoPictures, Pictures
from edgecls_runtime.web.settings import WebSettings
from edgecls_runtime.web.status import Status

if TYPE_CHECKING:
    from edgecls_runtime.web.serving import Web


@dataclass(frozen=True, slots=True)
class Seen:
    """What of a station the page shows.

    Attributes:
        hub: The newest verdicts; the station's wiring tells it like an output.
        status: How the station is; called at most twice a second, in a thread of the page.
        journal: The journal's file; None where the station keeps none.
        control: Changes recipe and bundle; None where nothing can be changed.
        pictures: Kept images.
        evidence: Their folder, where relabels are kept; None where no images are kept.

    """

    hub: Hub
    status: Callable[[], Status] = Status
    journal: Path | None = None
    control: Control | None = None
    pictures: Pictures = field(default_factory=NoPictures)
    evidence: Path | None = None


def open_web(settings: WebSettings, seen: Seen, say: Callable[[str], object] = tell) -> "Web":
    """Open the page; it serves until it is closed.

    Args:
        settings: The ``[web]`` table.
        seen: What it shows.
        say: Told where the page is, who signs in, and what they change.

    Raises:
        MissingExtra: starlette or uvicorn is not installed.
        ConfigError: The port is taken, or a file of the settings is not what it should be.

    """
    for package in ("uvicorn", "starlette"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise MissingExtra(package, "web") from error
    serving = importlib.import_module("edgecls_runtime.web.serving")
    return serving.Web(settings, seen, say)  # type: ignore[no-any-return]
