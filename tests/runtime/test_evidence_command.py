"""``edgecls evidence``, specified: what people said becomes a data set."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from edgecls.cli import main
from edgecls_runtime.evidence import relabels
from edgecls_runtime.evidence.reading import Evidence
from edgecls_runtime.images import find_labelled
from edgecls_runtime.outputs import image
from kept_images import of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return evidence of five fails, three of them relabelled and one of a part long gone."""
    with closing(image.open(path=tmp_path / "evidence", min_free_mb=0)) as output:
        for number in range(5):
            output.send(of("fail", number, label="scratch"))
    for number, label in ((0, "good"), (1, "scratch"), (2, "good"), (99, "dent")):
        relabels.add(tmp_path / "evidence", f"0a1b2c3d4e5f-{number}", label)
    return tmp_path / "evidence"


def exported(folder: Path, to: Path) -> dict[str, list[str]]:
    """Export, and return the parts of each label of the data set."""
    assert main(["evidence", "export", str(folder), "--to", str(to)]) == 0
    found: dict[str, list[str]] = {}
    for item in find_labelled(to):
        assert item.label is not None
        found.setdefault(item.label, []).append(item.path.name.split("_")[1])
    return found


def test_what_was_relabelled_or_confirmed_is_copied_to_its_label(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = exported(folder, tmp_path / "data")

    assert found == {"good": ["0", "2"], "scratch": ["1"]}
    assert capsys.readouterr().out == (
        "     2  good\n     1  scratch\n     1  relabelled, and not kept any more\n"
    )
    (one,) = (tmp_path / "data" / "scratch").iterdir()
    kept = Evidence(folder).find("0a1b2c3d4e5f-1")
    assert kept is not None
    assert one.read_bytes() == kept.read_bytes()
    assert len(Evidence(folder).listed()) == 5


def test_the_last_word_holds_also_in_a_data_set_that_is_there(folder: Path, tmp_path: Path) -> None:
    exported(folder, tmp_path / "data")
    relabels.add(folder, "0a1b2c3d4e5f-0", "scratch")

    assert exported(folder, tmp_path / "data") == {"good": ["2"], "scratch": ["0", "1"]}


def test_what_cannot_be_copied_is_said_and_costs_no_other(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    relabels.add(folder, "0a1b2c3d4e5f-3", "../up")
    damaged = Evidence(folder).find("0a1b2c3d4e5f-1")
    assert damaged is not None
    damaged.write_bytes(b"half")

    code = main(["evidence", "export", str(folder), "--to", str(tmp_path / "data"), "--json"])

    said = json.loads(capsys.readouterr().out)
    assert code == 0
    assert said["labels"] == {"good": 2}
    assert said["gone"] == ["0a1b2c3d4e5f-99"]
    odd = Evidence(folder).find("0a1b2c3d4e5f-3")
    assert said["left_out"] == [
        f"{damaged}: not the file that was kept; it was changed or is damaged",
        f"{odd}: label '../up' is no name of a folder; relabel it",
    ]


def test_a_folder_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["evidence", "export", str(tmp_path / "gone"), "--to", str(tmp_path / "data")])

    assert code == 2
    assert capsys.readouterr().err == (
        f"edgecls evidence: evidence {tmp_path / 'gone'}: no such folder; "
        f"expected the path of an image output\n"
    )
