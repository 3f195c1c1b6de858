"""The terminal, for the specification of outputs: its other side is a reader of stdout."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from edgecls.verdict import Verdict
from output_kinds import Kind, Peer, Table, open_output


def opened(as_json: bool) -> Callable[[pytest.FixtureRequest], Iterator[Peer]]:
    """Return what opens it for people, or for programs."""

    def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
        capsys: pytest.CaptureFixture[str] = request.getfixturevalue("capsys")
        lines: list[str] = []

        def shows(verdict: Verdict) -> bool:
            lines.extend(capsys.readouterr().out.splitlines())
            if as_json:
                return verdict.table() in map(json.loads, lines)
            begins = f"{verdict.outcome.upper():6}  {verdict.part}  "
            return any(line.startswith(begins) for line in lines)

        with closing(open_output({"kind": "terminal", "json": as_json})) as output:
            yield Peer(output, shows)

    return peer


def without_a_reader(request: pytest.FixtureRequest) -> Table:
    """Let stdout be a pipe whose reader is gone."""
    end, mouth = os.pipe()
    os.close(end)
    stdout = os.fdopen(mouth, "w")

    def close() -> None:
        with suppress(BrokenPipeError):  # it tries to write what is left
            stdout.close()

    request.addfinalizer(close)
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    patch.setattr(sys, "stdout", stdout)
    return {"kind": "terminal"}


SAYS = r"terminal output: \[Errno 32\] Broken pipe; nobody is told any more$"
KINDS = {
    "terminal": Kind({"kind": "terminal"}, opened(as_json=False), without_a_reader, SAYS),
    "terminal json": Kind({"kind": "terminal"}, opened(as_json=True), without_a_reader, SAYS),
}
