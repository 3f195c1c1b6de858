"""Where an image is kept: ``2026-11-28/fail/scratch/120501.123_<part>_<id>.jpg``, in UTC.

Names sort by time and say what a search asks for, so that no file has to be opened to find one.
Whatever a part is called, its name is one that every file system takes, and stays in its folder.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime

from edgecls.verdict import Verdict

# Of 255 bytes that a name may have, with the time, what tells it from others, and ``.jpg.json``.
MOST_PART, MOST_ID, MOST_LABEL = 100, 80, 100
# A label cannot be this: where a name was changed, eight digits follow the tilde.
NO_LABEL = "no-label~"
DAY = re.compile(r"\d{4}-\d\d-\d\d")
NAME = re.compile(r"(\d{6}\.\d{3})_(.+)_([^_]+)(\.(?!json)[a-z]{3,4})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image is kept, of the folder of the evidence.

    Attributes:
        day: Of the verdict, UTC, as ``2026-11-28``.
        counts_as: As of ``Verdict``.
        label: Made safe.
        name: Of the file.

    """

    day: str
    counts_as: str
    label: str
    name: str

    @property
    def folder(self) -> str:
        """The file's folder."""
        return f"{self.day}/{self.counts_as}/{self.label}"

    @property
    def path(self) -> str:
        """The file."""
        return f"{self.folder}/{self.name}"

    @property
    def key(self) -> str:
        """What images are sorted by: the time comes first."""
        return f"{self.day}/{self.name}"


def place(verdict: Verdict, suffix: str) -> Place:
    """Return where the image of a verdict is kept; ``suffix`` is the file's, such as ``.jpg``."""
    at = _moment(verdict.recorded_at)
    clock = f"{at:%H%M%S}.{at.microsecond // 1000:03}"
    prediction = verdict.prediction
    label = NO_LABEL if prediction is None else safe(prediction.label, MOST_LABEL)
    part = safe(verdict.part, MOST_PART)
    return Place(
        f"{at:%Y-%m-%d}",
        verdict.counts_as,
        label,
        f"{clock}_{part}_{safe_id(verdict.id)}{suffix}",
    )


def safe(text: str, most: int) -> str:
    """Return a text as a piece of a file's name: itself where it is one, else told apart.

    Letters and digits of every script stay, as do ``-``, ``_`` and ``.`` but at the beginning.
    Where something had to change, eight digits of the text's SHA-256 follow a tilde: two texts
    never share a name.

    Args:
        text: Anything.
        most: Bytes at most, in UTF-8.

    """
    kept = "".join(map(_kept, text))
    if kept == text and text and not text.startswith(".") and len(text.encode()) <= most:
        return text
    return _told_apart(kept, text, most)


def safe_id(verdict_id: str) -> str:
    """Return a verdict's id as the last piece of a name, which has no underscore."""
    if "_" not in verdict_id:
        return safe(verdict_id, MOST_ID)
    kept = "".join(map(_kept, verdict_id.replace("_", "-")))
    return _told_apart(kept, verdict_id, MOST_ID)


def _told_apart(kept: str, text: str, most: int) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    short = kept.lstrip(".").encode()[: most - 9].decode("utf-8", "ignore")
    return f"{short}~{digest}"


def _kept(character: str) -> str:
    if character in "-_.":
        return character
    return character if unicodedata.category(character)[0] in "LMN" else "-"


def _moment(recorded_at: str) -> datetime:
    try:
        return datetime.fromisoformat(recorded_at).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.now(UTC)
