"""The output into a file: what it alone does."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgecls.errors import OutputError
from edgecls_runtime.outputs import file
from output_kinds import verdict


def lines(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    for part in "12":
        output = file.open(path=path)
        output.send(verdict("pass", part))
        output.close()

    assert [line["part"] for line in lines(path)] == ["1", "2"]  # type: ignore[index]


def test_a_file_that_is_moved_away_is_followed_by_a_new_one(tmp_path: Path) -> None:
    path, old = tmp_path / "verdicts.jsonl", tmp_path / "verdicts.jsonl.1"
    output = file.open(path=path)
    output.send(verdict("pass", "1"))

    path.rename(old)
    output.send(verdict("fail", "2"))

    assert [len(lines(one)) for one in (old, path)] == [1, 1]
    output.close()


def test_a_line_that_a_power_cut_tore_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text('{"id": "torn', encoding="utf-8")

    output = file.open(path=path)
    output.send(verdict("pass"))
    output.close()

    torn, whole = path.read_text(encoding="utf-8").splitlines()
    assert torn == '{"id": "torn'
    assert json.loads(whole) == verdict("pass").table() | {
        key: json.loads(whole)[key] for key in ("latency_ms",)
    }


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_no_half_line_stays(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    output = file.open(path=path)
    output.send(verdict("pass", "1"))
    size = path.stat().st_size

    with files_no_longer_than(size + 20), pytest.raises(OutputError) as raised:
        output.send(verdict("pass", "2"))

    assert str(raised.value).startswith(f"file output {path}: only 20 of ")
    assert path.stat().st_size == size
    output.send(verdict("pass", "2"))
    assert len(lines(path)) == 2
    output.close()
