"""Who is signed in, kept over a restart: a screen on the wall must not ask for a token each time.

Only digests of cookies are in the file, and nobody but the station's user reads it. Another token
or password in the station file ends every session.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from edgecls_runtime.web.logins import Secrets, Session, Sessions

# A power cut costs at most so much of when somebody was seen last.
EVERY_S = 600.0


class SessionFile:
    """A file of sessions; where it cannot be written they end with the process.

    Attributes:
        sessions: Those that were kept, and new ones.

    """

    def __init__(self, path: Path | None, secrets: Secrets) -> None:
        """Read the file; one that is missing, damaged or of other secrets holds nothing."""
        self._path = path
        secret = f"{secrets.token}\n{secrets.user}\n{secrets.password}"
        self._for = hashlib.sha256(f"edgecls sessions\n{secret}".encode()).hexdigest()
        self.sessions = Sessions(time.time, self._read())
        self._kept_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether it is time to keep when somebody was seen."""
        return time.monotonic() - self._kept_at > EVERY_S

    def text(self) -> str:
        """Return what is to be kept now; to be written by another thread."""
        self._kept_at = time.monotonic()
        kept = {
            key.hex(): [one.who, one.began, one.seen] for key, one in self.sessions.kept.items()
        }
        return json.dumps({"for": self._for, "sessions": kept})

    def write(self, text: str) -> None:
        """Keep it."""
        if self._path is None:
            return
        new = self._path.with_name(f"{self._path.name}.new")
        with suppress(OSError):
            new.unlink(missing_ok=True)
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
            new.replace(self._path)

    def _read(self) -> dict[bytes, Session]:
        if self._path is None:
            return {}
        try:
            table = json.loads(self._path.read_text(encoding="ascii"))
            if table["for"] != self._for:
                return {}
            return {
                bytes.fromhex(key): Session(str(who), float(began), float(seen))
                for key, (who, began, seen) in table["sessions"].items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}
