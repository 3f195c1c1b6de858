"""Verdicts as lines on stdout: for people, or as JSON lines for the next program."""

import json
import sys

from edgecls.errors import OutputError
from edgecls.verdict import Outcome, Verdict

# A run whose reader is gone is over.
ENDS = PATIENT = True
COLOURS = {Outcome.PASS: "\033[32m", Outcome.FAIL: "\033[31m", Outcome.REVIEW: "\033[33m"}
PLAIN = "\033[0m"


class TerminalOutput:
    """Writes one line a verdict, at once."""

    def __init__(self, *, as_json: bool) -> None:
        """Choose the form of a line; colours only where a person looks."""
        self._as_json = as_json
        self._coloured = sys.stdout.isatty() and not as_json

    def send(self, verdict: Verdict) -> None:
        """Write the line of one verdict.

        Raises:
            OutputError: stdout is closed or full.

        """
        line = json.dumps(verdict.table()) if self._as_json else self._line(verdict)
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except OSError as error:  # the reader of a pipe is gone, or a disk is full
            raise OutputError(f"terminal output: {error}; nobody is told any more") from error

    def close(self) -> None:
        """Do nothing; stdout is not ours to close."""

    def _line(self, verdict: Verdict) -> str:
        word = f"{verdict.outcome.upper():6}"
        if self._coloured:
            word = f"{COLOURS[verdict.outcome]}{word}{PLAIN}"
        latency = verdict.latency
        took = "" if latency is None else f"  {1000 * latency:.1f} ms"
        return f"{word}  {verdict.part}  {verdict.reason}{took}"


def open(*, json: bool = False) -> TerminalOutput:
    """Write verdicts to stdout.

    Args:
        json: One JSON object a line, instead of text for people.

    """
    return TerminalOutput(as_json=json)
