"""Kept images, for the specification of outputs: the other side is a folder."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecls.frame import Frame
from edgecls.verdict import Verdict
from edgecls_runtime.evidence.reading import Evidence
from edgecls_runtime.protocols import Output
from output_kinds import Kind, Peer, Table, open_output


class OfFrames:
    """Gives each verdict the frame that a station would: without one nothing is kept."""

    def __init__(self, output: Output) -> None:
        """Stand before an output."""
        self._output = output

    def send(self, verdict: Verdict) -> None:
        """Pass it on with its frame."""
        shown = Frame(np.full((8, 8, 3), 7, np.uint8), 0, 0.0)
        self._output.send(replace(verdict, frame=shown))

    def close(self) -> None:
        """Close the output."""
        self._output.close()


def opened(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """Open a folder; the other side is gone when a file stands in its place."""
    folder: Path = request.getfixturevalue("tmp_path") / "evidence"
    elsewhere = folder.with_name("elsewhere")
    evidence = Evidence(folder)

    def shows(verdict: Verdict) -> bool:
        kept = evidence.kept(verdict.id)
        if verdict.counts_as == "incident":  # no part
            return kept is None
        return kept is not None and verdict.table().items() <= kept.table().items()

    def lose() -> None:
        folder.rename(elsewhere)
        folder.touch()

    def restore() -> None:
        folder.unlink()
        elsewhere.rename(folder)

    table = {"kind": "image", "path": str(folder), "pass_share": 1.0, "min_free_mb": 0}
    with closing(open_output(table)) as output:
        yield Peer(OfFrames(output), shows, lose=lose, restore=restore)


def in_place_of_a_file(request: pytest.FixtureRequest) -> Table:
    """Let a file stand where the folder should be."""
    file: Path = request.getfixturevalue("tmp_path") / "file"
    file.touch()
    return {"kind": "image", "path": str(file / "evidence")}


SAYS = r"image output .*/file/evidence: Not a directory; may this user write there\?$"
TABLE: Table = {"kind": "image", "path": "/dev/null/evidence"}
WRONG: tuple[tuple[Table, str], ...] = (
    ({"pass_share": 1.5}, "pass_share: 1.5; expected a share from 0 to 1"),
    ({"quota_mb": 0}, "quota_mb: 0; expected 1 or more"),
    ({"most_per_label": 0}, "most_per_label: 0; expected 1 or more"),
    ({"min_free_mb": -1}, "min_free_mb: -1; expected 0 or more"),
    ({"quality": 101}, "quality: 101; expected 1 to 100"),
    ({"format": "gif"}, "format: expected one of png, jpeg, got 'gif'"),
)
KINDS = {"image": Kind(TABLE, opened, in_place_of_a_file, SAYS, wrong=WRONG)}
