"""Where a user's programs keep what they can make again: optimised graphs, engines, choices."""

import os
import sys
from pathlib import Path

from edgecls.errors import DeviceError


def folder(kind: str) -> Path:
    """Return our folder for one kind of thing in the user's cache; it may not exist yet.

    Source:
        XDG Base Directory Specification 0.8: a relative path in the environment is ignored. macOS
        and Windows have places of their own.

    Raises:
        DeviceError: This user has no home.

    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / "edgecls" / kind
    try:
        home = Path.home()
    except RuntimeError as error:
        raise DeviceError(f"cache: {error}; set XDG_CACHE_HOME") from error
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home)) / "edgecls" / kind
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "edgecls" / kind
