"""The output into a file, for the specification of outputs: its other side is whoever reads it."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgecls.verdict import Verdict
from output_kinds import Kind, Peer, Table, open_output


def opened(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """Yield it on a file whose folder can be taken away."""
    folder: Path = request.getfixturevalue("tmp_path") / "told"
    away = folder.with_name("away")
    folder.mkdir()
    path = folder / "verdicts.jsonl"

    def shows(verdict: Verdict) -> bool:
        lines = path.read_text(encoding="utf-8").splitlines()
        return verdict.table() in map(json.loads, lines)

    with closing(open_output({"kind": "file", "path": str(path)})) as output:
        yield Peer(output, shows, lose=lambda: folder.rename(away), restore=lambda: back(away))


def back(away: Path) -> None:
    away.rename(away.with_name("told"))


def without_a_folder(request: pytest.FixtureRequest) -> Table:
    folder: Path = request.getfixturevalue("tmp_path")
    return {"kind": "file", "path": str(folder / "none" / "verdicts.jsonl")}


SAYS = (
    r"file output .*/none/verdicts\.jsonl: No such file or directory; "
    r"expected a file that can be written, on a disk with room$"
)
KINDS = {
    "file": Kind({"kind": "file", "path": "verdicts.jsonl"}, opened, without_a_folder, SAYS),
}
