"""The script of a fake camera: words with a value and a count, and the place where it stands."""

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

from edgecls.errors import CameraError, ConfigError

LONGEST_S = 86_400.0
MOST = 10**9
LARGEST_PX = 32_768
PLACE_BYTES = 20
Number = TypeVar("Number", int, float)

# What stands behind the colon of each word: an example of it, or nothing.
WORDS = {
    "frame": "",
    "black": "",
    "same": "",
    "damaged": "",
    "lost": "",
    "old": "2.5",
    "slow": "0.3",
    "silent": "0.5",
    "hang": "3.0",
    "skip": "3",
    "resize": "480x640",
    "gone": "",
    "bug": "",
    "close": "3.0",
    "open": "3.0",
    "refused": "",
    "auth": "",
    "busy": "",
    "end": "",
}
# These are about the next opening, wherever it finds them.
OPENING = ("open", "refused", "auth", "busy")
# For ever, where nothing is said.
PERHAPS = ("hang",)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a camera does.

    Attributes:
        word: Of ``WORDS``.
        value: Seconds, or a number of frames; infinite where none need be given.
        size: Height and width in pixels, of ``resize``.

    """

    word: str
    value: float = float("inf")
    size: tuple[int, int] = (0, 0)


class Script:
    """Events, one after the other; also over the end of a process, where its place is kept.

    Attributes:
        length: Events of one round.

    """

    def __init__(self, lines: Sequence[str], *, repeat: bool, state: Path | None) -> None:
        """Read a script.

        Args:
            lines: Each ``word``, ``word:value`` or one of these with ``*count``.
            repeat: Begin again behind the last.
            state: A file that keeps the place; None begins anew each time.

        Raises:
            ConfigError: A line is wrong, or ``state`` is no such file.

        """
        read = [_event(line, f"camera.script[{i}]") for i, line in enumerate(lines)]
        self._events = [event for event, _ in read]
        self._ends = list(accumulate(count for _, count in read))
        self.length = self._ends[-1] if read else 0
        if state is None and (found := next((e for e in self._events if e.word in OPENING), None)):
            raise ConfigError(
                f"camera.state: not given, and {found.word!r} is about a camera that is opened "
                f"again; expected a file that keeps its place in the script"
            )
        self._repeat = repeat
        self._file = None if state is None else _opened(state)
        self.place = 0 if self._file is None else _place(self._file, state)

    def next(self) -> Step | None:
        """Return the event whose turn it is; None behind the last."""
        if not self.length or (self.place >= self.length and not self._repeat):
            return None
        return self._events[bisect_right(self._ends, self.place % self.length)]

    def advance(self) -> None:
        """Go on behind this event: whatever it does, it is not played again."""
        self.place += 1
        if self._file is not None:
            os.pwrite(self._file, b"%*d" % (PLACE_BYTES, self.place), 0)

    def close(self) -> None:
        """Let the file go; closing twice is allowed."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _event(line: str, where: str) -> tuple[Step, int]:
    """Return what a line says, and how often."""
    text, starred, count = line.partition("*")
    word, colon, value = text.strip().partition(":")
    if word not in WORDS:
        raise ConfigError(f"{where}: {line!r}: unknown word; known words are {', '.join(WORDS)}")
    try:
        times = _number(int(count), MOST) if starred else 1
        return _valued(word, value if colon else None), int(times)
    except ValueError:
        like = f"{word}:{WORDS[word]}" if WORDS[word] else word
        raise ConfigError(
            f"{where}: {line!r}; expected it as in '{like}', and a count as in '{like}*10'"
        ) from None


def _valued(word: str, value: str | None) -> Step:
    """Return the event of a word and what stands behind its colon.

    Raises:
        ValueError: That is not as in ``WORDS``.

    """
    example = WORDS[word]
    if value is None and (not example or word in PERHAPS):
        return Step(word)
    height, crossed, width = (value or "").partition("x")
    if "x" in example and crossed:
        sides = (_number(int(side), LARGEST_PX) for side in (height, width))
        return Step(word, size=(next(sides), next(sides)))
    if "." in example:
        return Step(word, _number(float(value or ""), LONGEST_S, least=0.0))
    return Step(word, _number(int(value or "") if example == "3" else -1, MOST))


def _number(number: Number, most: float, least: float = 1) -> Number:
    if not least <= number <= most:
        raise ValueError(number)
    return number


def _opened(state: Path) -> int:
    try:
        return os.open(state, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise CameraError(f"fake camera: {state}: {error.strerror}; expected a file") from error


def _place(file: int, state: Path | None) -> int:
    text = os.pread(file, PLACE_BYTES + 1, 0)
    try:
        return int(text or b"0")
    except ValueError:
        os.close(file)
        raise ConfigError(f"camera.state: {state}: not a place in a script; delete it") from None
