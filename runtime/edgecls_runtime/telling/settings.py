"""What every ``[[outputs]]`` table may say, whatever its kind."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgecls.errors import ConfigError
from edgecls.verdict import Cause, Outcome

LONGEST_MS = 86_400_000
TELLABLE = (*(o.value for o in Outcome), *(c.value for c in Cause if c is not Cause.JUDGED))


@dataclass(frozen=True, slots=True)
class Audience:
    """Which verdicts an output is told.

    Attributes:
        name: Of the output, in messages and in the journal; empty is its kind.
        only: What they count as (``Verdict.counts_as``); empty is all.
        window_ms: A momentary output is not told later than this after the decision.

    """

    name: str = ""
    only: tuple[str, ...] = ()
    window_ms: float = 1000.0

    def __post_init__(self) -> None:
        """Refuse what would never be told."""
        for what in self.only:
            if what not in TELLABLE:
                raise ConfigError(f"outputs.only: {what!r}; expected of {', '.join(TELLABLE)}")
        if not 0 < self.window_ms <= LONGEST_MS:  # NaN compares false
            raise ConfigError(
                f"outputs.window_ms: {self.window_ms:g}; expected above 0, at most {LONGEST_MS}"
            )


# What ``Audience`` takes off the table before the kind's own ``open`` sees it.
KEYS = tuple(Audience.__dataclass_fields__)


def parted(table: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Return the keys of a table that are for ``Audience``, and those for the kind itself."""
    common = {key: value for key, value in table.items() if key in KEYS}
    return common, {key: value for key, value in table.items() if key not in KEYS}
