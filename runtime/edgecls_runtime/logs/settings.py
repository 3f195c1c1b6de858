"""The ``[log]`` table of a station file."""

from dataclasses import dataclass
from enum import StrEnum

from edgecls.errors import ConfigError

HIGHEST = 10_000


class Form(StrEnum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What becomes of the lines that a station says.

    Attributes:
        format: For people, or one JSON object a line.
        most_per_minute: The same text is written so often; beyond it is counted.

    """

    format: Form = Form.TEXT
    most_per_minute: int = 5

    def __post_init__(self) -> None:
        """Refuse what no log can do."""
        if not 1 <= self.most_per_minute <= HIGHEST:
            raise ConfigError(
                f"log.most_per_minute: {self.most_per_minute}; expected 1 to {HIGHEST}"
            )

    def __str__(self) -> str:
        return f"format = '{self.format}', most_per_minute = {self.most_per_minute}"
