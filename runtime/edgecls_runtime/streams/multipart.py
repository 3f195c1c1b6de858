"""MJPEG over HTTP: one JPEG after the other, as the parts of a message that never ends.

Source: RFC 2046, and how cameras deviate from it: boundaries announced with their dashes or not at
all, no ``Content-Length``, line ends without a carriage return.
"""

import re
from dataclasses import dataclass, field

LONGEST_HEAD = 65_536
LONGEST_PART = 64 * 2**20
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
STAMP = "x-timestamp"  # seconds; of mjpg-streamer and ustreamer


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its headers, by lower-case name, and its bytes."""

    headers: dict[str, str]
    body: bytes

    @property
    def stamp(self) -> float | None:
        """When the sender took it, seconds of its own clock."""
        try:
            return float(self.headers[STAMP])
        except (KeyError, ValueError):
            return None


@dataclass(slots=True)
class Multipart:
    """Takes a stream to pieces, however it is cut into packets.

    Attributes:
        boundary: As announced; empty where it was not.

    """

    boundary: str
    _bytes: bytearray = field(default_factory=bytearray)
    _headers: dict[str, str] | None = None
    _searched: int = 0

    def feed(self, data: bytes) -> Part | None:
        """Take what came; return the next part that is whole, if any.

        Raises:
            ValueError: This is no such stream.

        """
        self._bytes += data
        if self._headers is None and not self._begin():
            return None
        assert self._headers is not None  # noqa: S101 - just begun
        end = self._end(self._headers)
        if end is None:
            if len(self._bytes) > LONGEST_PART:
                raise ValueError(f"a part longer than {LONGEST_PART} bytes")
            return None
        part = Part(self._headers, bytes(self._bytes[:end]))
        del self._bytes[:end]
        self._headers, self._searched = None, 0
        return part

    def _begin(self) -> bool:
        """Read the boundary and the headers of a part, when they are there."""
        start = self._bytes.find(b"--")
        found = END_OF_HEAD.search(self._bytes, max(start, 0))
        if start < 0 or found is None:
            if len(self._bytes) > LONGEST_HEAD:
                raise ValueError(f"no part within {LONGEST_HEAD} bytes")
            return False
        lines = self._bytes[start : found.start()].decode("latin-1").splitlines()[1:]
        pairs = (line.partition(":") for line in lines)
        self._headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        del self._bytes[: found.end()]
        return True

    def _end(self, headers: dict[str, str]) -> int | None:
        """Return where the body ends, when it is whole."""
        length = headers.get("content-length", "")
        if length.isdecimal():
            return int(length) if len(self._bytes) >= int(length) else None
        mark = rb"\r?\n--" + re.escape(self.boundary.lstrip("-").encode())
        found = re.compile(mark).search(self._bytes, self._searched)
        # The mark may have come in two pieces.
        self._searched = max(len(self._bytes) - len(mark) - 4, 0)
        return found.start() if found else None
