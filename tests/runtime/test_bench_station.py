"""The benchmark of stations, in short: its figures come from real runs, and reach their targets."""

import json

import pytest

import bench_station
from parts import Made


def bench(
    capsys: pytest.CaptureFixture[str], made: Made, *arguments: object
) -> dict[str, dict[str, object]]:
    """Measure; return the rows by what was measured."""
    bench_station.main([*map(str, arguments), "--bundle", str(made.path), "--json"])
    *_, line = capsys.readouterr().out.splitlines()
    return {row["what"]: row for row in json.loads(line)["rows"]}


def test_killed_under_load_it_loses_and_doubles_no_part(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = bench(capsys, made, "--only", "kills", "--kills", 3)

    assert rows["lost, doubled"]["seen"] == "0, 0"
    assert rows["told without an entry"]["seen"] == "0"
    assert rows["never told to the output that keeps, out of order"]["seen"] == "0, 0"
    assert rows["chain"]["seen"] == "holds"


def test_after_an_outage_a_share_and_a_broker_are_told_everything(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = bench(capsys, made, "--only", "outage", "--outage-s", 5)

    wrong = [row for row in rows.values() if row["reached"] is False]
    assert not wrong


@pytest.mark.slow
def test_killed_often_it_loses_and_doubles_no_part(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = bench(capsys, made, "--only", "kills", "--kills", 25)

    wrong = [
        row for row in rows.values() if row["reached"] is False and "start" not in str(row["what"])
    ]
    assert not wrong


@pytest.mark.slow
def test_a_full_disk_is_said_and_survived(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    rows = bench(capsys, made, "--only", "disk")

    wrong = [row for row in rows.values() if row["reached"] is False]
    assert not wrong


@pytest.mark.slow
def test_random_faults_leave_neither_threads_nor_files_behind(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = bench(capsys, made, "--only", "soak", "--soak-minutes", 2)

    assert rows["threads, files"]["reached"]
    assert rows["journal"]["reached"]
