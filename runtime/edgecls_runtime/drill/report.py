"""What came of a drill: for people, for programs, and to hang on the wall."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from edgecls_runtime.drill.fault import Outcome, Result

MARKS = {Result.EXPECTED: "ok", Result.UNEXPECTED: "NOT", Result.UNTRIED: "-"}


@dataclass(frozen=True, slots=True)
class Report:
    """A drill.

    Attributes:
        station: What was tried, a line for each word: file, bundle, pictures, outputs, machine.
        began_at: UTC, ISO 8601.
        outcomes: Of each fault.

    """

    station: dict[str, str]
    began_at: str
    outcomes: Sequence[Outcome]

    @property
    def counts(self) -> dict[Result, int]:
        """How many faults went how."""
        return {one: sum(o.result is one for o in self.outcomes) for one in Result}

    @property
    def is_passed(self) -> bool:
        """Whether something was tried, and all of that went as expected."""
        return bool(self.counts[Result.EXPECTED]) and not self.counts[Result.UNEXPECTED]

    @property
    def summary(self) -> str:
        """Return one line."""
        return ", ".join(f"{count} {result}" for result, count in self.counts.items() if count)

    def table(self) -> dict[str, object]:
        """Return it as programs read it."""
        return {
            "passed": self.is_passed,
            "began_at": self.began_at,
            **self.station,
            "faults": [outcome.table() for outcome in self.outcomes],
        }

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        for word, text in self.station.items():
            yield f"{word:9} {text}"
        for outcome in self.outcomes:
            yield ""
            yield f"{MARKS[outcome.result]:3} {outcome.fault.name}: {outcome.fault.done}"
            if outcome.result is not Result.UNTRIED:
                yield f"    expected  {outcome.fault.expected}"
            yield f"    {_word(outcome):9} {outcome.seen}"
        yield ""
        yield self.summary

    def page(self) -> str:
        """Return it as one HTML file that needs nothing else."""
        style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
        title = f"Drill of {self.station['station']}"
        about = "".join(
            f"<dt>{html.escape(word)}</dt><dd>{html.escape(text)}</dd>"
            for word, text in [("began", self.began_at), *self.station.items()]
        )
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(title)}</title><style>{style}</style></head><body>"
            f"<h1>{html.escape(title)}</h1>"
            f'<p class="{"good" if self.is_passed else "bad"}">{html.escape(self.summary)}</p>'
            f"<dl>{about}</dl><table><thead><tr><th>Fault</th><th>What was done</th>"
            f"<th>Expected</th><th>Seen</th><th>Result</th></tr></thead><tbody>"
            f"{''.join(map(_row, self.outcomes))}</tbody></table></body></html>\n"
        )


def _word(outcome: Outcome) -> str:
    if outcome.result is Result.UNTRIED:
        return "not tried"
    return "seen" if outcome.tries == 1 else f"seen {outcome.tries}x"


def _row(outcome: Outcome) -> str:
    cells = "".join(
        f"<td>{html.escape(text)}</td>"
        for text in (outcome.fault.done, outcome.fault.expected, outcome.seen)
    )
    kind = {Result.EXPECTED: "good", Result.UNEXPECTED: "bad"}.get(outcome.result, "untried")
    tries = f", {outcome.tries} times" if outcome.tries > 1 else ""
    result = html.escape(f"{outcome.result}{tries}")
    name = html.escape(outcome.fault.name)
    return f'<tr class="{kind}"><th>{name}</th>{cells}<td class="result">{result}</td></tr>'
