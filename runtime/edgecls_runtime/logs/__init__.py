"""What a running station says, as a log: limited, marked, and never waited for.

``edgecls.progress.tell`` is the door that everything goes through; this is what stands behind it.
"""

import os
import sys
from collections.abc import Mapping

from edgecls import progress
from edgecls.errors import ConfigError
from edgecls_runtime.logs.limiter import Limiter
from edgecls_runtime.logs.line import Writing
from edgecls_runtime.logs.log import Log
from edgecls_runtime.logs.settings import Form, LogSettings

FORM = "EDGECLS_LOG"


def begin(form: Form | None, files: list[LogSettings]) -> None:
    """Let everything that is told from here on go through a log, up to the end of the command.

    Args:
        form: As the command line has it; before the environment, and that before the files.
        files: What each station file says; they share one log.

    Raises:
        ConfigError: They do not say the same, or the environment asks for what is not known.

    """
    settings = files[0] if files else LogSettings()
    if other := next((one for one in files if one != settings), None):
        raise ConfigError(
            f"log: {other} in one station file, {settings} in another; "
            f"expected the same in each: they share one log"
        )
    form = form or _of(os.environ) or settings.format
    writing = Writing(form, priorities=_goes_to_journald(os.environ))
    progress.through(Log(writing.text, Limiter(settings.most_per_minute)))


def _of(environment: Mapping[str, str]) -> Form | None:
    """Return what the environment asks for."""
    text = environment.get(FORM, "")
    if text and text not in list(Form):
        raise ConfigError(f"{FORM}: {text!r}; expected one of {', '.join(Form)}")
    return Form(text) if text else None


def _goes_to_journald(environment: Mapping[str, str]) -> bool:
    """Return whether stderr leads there: systemd says which device and file that is."""
    stream = environment.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or no file at all
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"
