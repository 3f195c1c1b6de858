"""Keep the images of fails, reviews, errors and of some passes, in a folder with a quota.

Whether a pass is kept follows from its verdict's id alone, so that nobody can choose which. A disk
that fills stops this output first, and it goes on by itself when there is room again.
"""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.evidence import names, picture
from edgecls_runtime.evidence.keeping import Keeping, Limits
from edgecls_runtime.evidence.picture import Format

FRAMES = PATIENT = True
WRITES = ("path",)
MB = 2**20
SCORES = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is kept, and how; the attributes are those of ``open``."""

    pass_share: float
    format: Format
    quality: int


class ImageOutput:
    """Writes the image of a verdict before ``send`` returns."""

    def __init__(self, keeping: Keeping, wanted: Wanted) -> None:
        """Take an open folder; closed by this."""
        self._keeping, self._wanted = keeping, wanted

    def send(self, verdict: Verdict) -> None:
        """Keep the image of a verdict, if it is one that is kept.

        Raises:
            OutputError: The disk is nearly full, or the folder cannot be written.

        """
        frame = verdict.frame
        if frame is None or verdict.cause is Cause.INCIDENT:
            return
        drawn = is_drawn(verdict.id or verdict.part, self._wanted.pass_share)
        if verdict.outcome is Outcome.PASS and not drawn:
            return
        kept = picture.of(frame, self._wanted.format, self._wanted.quality)
        self._keeping.keep(names.place(verdict, kept.suffix), kept, beside(verdict, kept))

    def close(self) -> None:
        """Let go of the folder; closing twice is allowed."""
        self._keeping.close()


def is_drawn(verdict_id: str, share: float) -> bool:
    """Return whether a pass belongs to the share of passes that is kept, 0..1.

    It does where the first 8 bytes of the SHA-256 of its verdict's id, as a number, are below the
    share of all such numbers: anyone can check which passes had to be kept.
    """
    drawn = int.from_bytes(hashlib.sha256(verdict_id.encode("utf-8", "surrogatepass")).digest()[:8])
    return drawn < share * 2**64


def beside(verdict: Verdict, kept: picture.Picture) -> dict[str, object]:
    """Return what stands beside an image: the verdict's table, its best scores, the file."""
    top = verdict.prediction.top(SCORES) if verdict.prediction else ()
    return {
        **verdict.table(),
        "counts_as": verdict.counts_as,
        "scores": {label: round(x, 6) if math.isfinite(x) else None for label, x in top},
        "image": kept.table(),
    }


def open(  # noqa: PLR0913 - the keys of a table
    *,
    path: Path,
    pass_share: float = 0.01,
    quota_mb: float = 1000.0,
    most_per_label: int = 1000,
    min_free_mb: float = 500.0,
    format: Format = Format.PNG,
    quality: int = 90,
) -> ImageOutput:
    """Keep images in a folder.

    Args:
        path: The folder; made if it is not there. No two outputs may share one.
        pass_share: So many of the passes are kept, 0..1; which ones follows from their ids.
        quota_mb: The files in it never take more, MiB.
        most_per_label: Images at most of one label that count as one of pass, fail, review ...
        min_free_mb: With less free space on the disk nothing is kept, MiB.
        format: How a frame is written where the camera sends no JPEG; ``png`` loses nothing.
        quality: Of ``jpeg``, 1..100.

    Raises:
        ConfigError: A value is out of its range.
        OutputError: The folder cannot be written, or another output writes there.

    """
    for key, value, fits, expected in (
        ("pass_share", pass_share, 0 <= pass_share <= 1, "a share from 0 to 1"),
        ("quota_mb", quota_mb, 1 <= quota_mb < MB * MB, "1 or more"),
        ("most_per_label", most_per_label, most_per_label >= 1, "1 or more"),
        ("min_free_mb", min_free_mb, 0 <= min_free_mb < MB * MB, "0 or more"),
        ("quality", quality, 1 <= quality <= 100, "1 to 100"),
    ):
        if not fits:
            raise ConfigError(f"outputs.{key}: {value:g}; expected {expected}")
    limits = Limits(int(quota_mb * MB), most_per_label, int(min_free_mb * MB))
    return ImageOutput(Keeping(path, limits), Wanted(pass_share, format, quality))
