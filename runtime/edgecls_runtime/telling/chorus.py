"""Signs of life of several stations as one: each must give one before it is passed on.

One station that hangs must not be hidden by the signs of life of its neighbours.
"""

import threading
from collections.abc import Sequence

from edgecls_runtime.protocols import Beating


class Chorus:
    """What several stations beat together."""

    def __init__(self, told: Sequence[Beating]) -> None:
        """Begin without a station.

        Args:
            told: Who watches for signs of life; may be filled later.

        """
        self._told = told
        self._changing = threading.Lock()
        self._voices: set[Voice] = set()
        self._heard: set[Voice] = set()

    def voice(self) -> "Voice":
        """Return what one station more beats; it is waited for until it is closed."""
        voice = Voice(self)
        with self._changing:
            self._voices.add(voice)
        return voice

    def hear(self, voice: "Voice") -> None:
        """Take a sign of life; with the last one that was missing, pass it on."""
        with self._changing:
            self._heard.add(voice)
            if not self._heard >= self._voices:
                return
            self._heard.clear()
        for one in self._told:
            one.beat()

    def leave(self, voice: "Voice") -> None:
        """Wait for a station no longer."""
        with self._changing:
            self._voices.discard(voice)
            self._heard.discard(voice)


class Voice:
    """One station's signs of life."""

    def __init__(self, chorus: Chorus) -> None:
        """Join; ``Chorus.voice`` is the way in."""
        self._chorus = chorus

    def beat(self) -> None:
        """Give a sign of life."""
        self._chorus.hear(self)

    def close(self) -> None:
        """Be waited for no longer; closing twice is allowed."""
        self._chorus.leave(self)
