"""Relabels, specified: a word is kept, the last one holds, a torn line costs only itself."""

import json
import threading
from pathlib import Path

import pytest

from edgecls.errors import ConfigError, OutputError
from edgecls_runtime.evidence import relabels


def test_the_last_word_about_a_part_holds(tmp_path: Path) -> None:
    relabels.add(tmp_path, "j-1", "scratch", "anna")
    relabels.add(tmp_path, "j-2", "ok")
    last = relabels.add(tmp_path, "j-1", "dent", "ben")

    assert relabels.read(tmp_path)["j-1"] == last
    assert {said.label for said in relabels.read(tmp_path).values()} == {"dent", "ok"}


def test_an_empty_label_takes_it_back(tmp_path: Path) -> None:
    relabels.add(tmp_path, "j-1", "scratch")
    relabels.add(tmp_path, "j-1", "")

    assert relabels.read(tmp_path) == {}


def test_the_file_is_one_json_object_a_line_for_its_group_to_read(tmp_path: Path) -> None:
    relabels.add(tmp_path, "j-1", "Kratzer, größer", "Jürgen")

    (line,) = (tmp_path / "relabels.jsonl").read_text(encoding="utf-8").splitlines()
    assert list(json.loads(line)) == ["id", "label", "at", "by"]
    assert relabels.read(tmp_path)["j-1"].label == "Kratzer, größer"
    assert (tmp_path / "relabels.jsonl").stat().st_mode & 0o777 == 0o640


def test_a_torn_line_is_said_and_costs_no_other(tmp_path: Path) -> None:
    relabels.add(tmp_path, "j-1", "scratch")
    with (tmp_path / "relabels.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "j-2", "lab')
    relabels.add(tmp_path, "j-3", "dent")
    skipped: list[str] = []

    found = relabels.read(tmp_path, skipped)

    assert list(found) == ["j-1", "j-3"]
    assert skipped == [
        f"{tmp_path / 'relabels.jsonl'}:2: no relabel; expected id, label, at and by"
    ]


@pytest.mark.parametrize(
    "line",
    ['["j-1", "dent"]', '{"id": 1, "label": "dent", "at": "", "by": ""}', "\xff", '{"id": "j"}'],
)
def test_what_is_no_relabel_is_passed_over(tmp_path: Path, line: str) -> None:
    (tmp_path / "relabels.jsonl").write_text(line + "\n", encoding="latin-1")

    assert relabels.read(tmp_path) == {}


def test_many_threads_may_speak_at_once(tmp_path: Path) -> None:
    def speak(who: int) -> None:
        for number in range(25):
            relabels.add(tmp_path, f"{who}-{number}", "dent")

    threads = [threading.Thread(target=speak, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(relabels.read(tmp_path)) == 100


def test_a_word_that_is_no_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="relabel: no id; expected that of a verdict"):
        relabels.add(tmp_path, "", "dent")
    with pytest.raises(ConfigError, match="relabel: label of 5000 characters; expected at most 4"):
        relabels.add(tmp_path, "j-1", "x" * 5000)

    assert not (tmp_path / "relabels.jsonl").exists()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"relabels.jsonl: No such file.*; j-1 is not relabelled"):
        relabels.add(tmp_path / "gone", "j-1", "dent")

    assert relabels.read(tmp_path / "gone") == {}
