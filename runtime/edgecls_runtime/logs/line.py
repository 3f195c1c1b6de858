"""One line of a log, and how it is written."""

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from edgecls.progress import Level
from edgecls_runtime.logs.settings import Form

# sd-daemon(3): how a service tells journald the priority of a line.
PRIORITIES = {Level.INFO: "<6>", Level.WARNING: "<4>", Level.ERROR: "<3>"}
# A reason is a line; what is longer is cut, so that a full log has a known size.
LONGEST = 2000
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        text: All of it; no control characters.
        level: How much somebody should care.
        at: Seconds since 1970, UTC.
        repeated: How many like it were not written before it.

    """

    text: str
    level: Level
    at: float
    repeated: int = 0

    @classmethod
    def of(cls, text: str, level: Level, at: float) -> "Line":
        """Return a line that cannot be mistaken for two, however long its text is."""
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]} ..."
        return cls(CONTROL.sub(" ", text), level, at)

    def again(self, repeated: int) -> "Line":
        """Return the line that stands for those which were not written."""
        return replace(self, repeated=repeated)

    @property
    def where(self) -> str:
        """What it is about, as far as it says so: what stands before the first colon."""
        before, colon, _ = self.text.partition(": ")
        return before if colon else ""

    @property
    def kind(self) -> tuple[str, str]:
        """What it has in common with those that say the same of other counts and moments."""
        return self.where, DIGITS.sub("#", self.text.removeprefix(self.where))


@dataclass(frozen=True, slots=True)
class Writing:
    """How lines are written.

    Attributes:
        form: For people, or as JSON.
        priorities: Begin each with its priority, as journald reads it.

    """

    form: Form
    priorities: bool = False

    def text(self, line: Line) -> str:
        """Return a line as it is written, with its end."""
        priority = PRIORITIES[line.level] if self.priorities else ""
        return f"{priority}{self._json(line) if self.form is Form.JSON else _plain(line)}\n"

    def _json(self, line: Line) -> str:
        at = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds")
        table: dict[str, object] = {"at": at, "level": line.level, "where": line.where}
        table["text"] = line.text
        if line.repeated:
            table["repeated"] = line.repeated
        return json.dumps(table, ensure_ascii=False)


def _plain(line: Line) -> str:
    return f"{line.text} (repeated {line.repeated} times)" if line.repeated else line.text
