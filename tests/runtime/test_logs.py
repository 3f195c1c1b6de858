"""What a station says as a log: limited, one line each, and never waited for."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edgecls import progress
from edgecls.errors import ConfigError
from edgecls.progress import Level, tell
from edgecls_runtime import logs
from edgecls_runtime.logs.limiter import Limiter
from edgecls_runtime.logs.line import Line, Writing
from edgecls_runtime.logs.log import Log
from edgecls_runtime.logs.settings import Form, LogSettings
from parts import Made

WAIT_S = 30.0
MOON = 14_182_940.0  # 1970-06-14T03:42:20Z


def line(text: str, level: Level = Level.INFO) -> Line:
    return Line.of(text, level, MOON)


def texts(lines: list[Line]) -> list[tuple[str, int]]:
    return [(one.text, one.repeated) for one in lines]


@pytest.fixture(autouse=True)
def own_door(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the door as it was."""
    monkeypatch.delenv(logs.FORM, raising=False)
    yield
    progress.at_end()


def test_the_same_text_is_written_so_often_and_then_counted() -> None:
    limiter = Limiter(2, per=60.0)

    written = [one for at in range(40) for one in limiter.admitted(line("trigger lost: x"), at)]
    summed = limiter.due(60.0)

    assert texts(written) == [("trigger lost: x", 0)] * 2
    assert texts(summed) == [("trigger lost: x", 38)]
    assert limiter.due(1e9) == []


def test_what_differs_in_counts_and_moments_alone_is_the_same() -> None:
    limiter = Limiter(1)

    written = limiter.admitted(line("cam: frame 17 is 1.2 s old"), 0.0)
    held = limiter.admitted(line("cam: frame 18 is 31.5 s old"), 1.0)

    assert (len(written), held) == (1, [])
    assert texts(limiter.rest()) == [("cam: frame 18 is 31.5 s old", 1)]


def test_what_is_said_of_another_thing_or_in_other_words_is_another_text() -> None:
    limiter = Limiter(1)

    said = ["camera 1: lost", "camera 2: lost", "camera 1: back", "no colon 3"]

    assert [len(limiter.admitted(line(text), 0.0)) for text in said] == [1, 1, 1, 1]


def test_after_a_minute_a_text_is_written_again_behind_its_sum() -> None:
    limiter = Limiter(1, per=60.0)
    for at in (0.0, 1.0, 2.0):
        limiter.admitted(line("a: b"), at)

    assert texts(limiter.admitted(line("a: b"), 61.0)) == [("a: b", 2), ("a: b", 0)]


def test_texts_without_end_take_memory_with_an_end() -> None:
    limiter = Limiter(1, kinds=10)
    for text in "abcdefghijklmnopqrstuvwxyz":
        limiter.admitted(line(text), 0.0)
        limiter.admitted(line(text), 0.0)

    assert len(limiter.rest()) == 10


@pytest.mark.parametrize(
    ("writing", "level", "expected"),
    [
        (Writing(Form.TEXT), Level.WARNING, "disk /x: full\n"),
        (Writing(Form.TEXT, priorities=True), Level.WARNING, "<4>disk /x: full\n"),
        (Writing(Form.TEXT, priorities=True), Level.ERROR, "<3>disk /x: full\n"),
        (
            Writing(Form.JSON),
            Level.INFO,
            (
                '{"at": "1970-06-14T03:42:20.000+00:00", "level": "info", "where": "disk /x", '
                '"text": "disk /x: full"}\n'
            ),
        ),
    ],
    ids=["text", "text for journald", "an error for journald", "json"],
)
def test_a_line_is_written_in_its_form(writing: Writing, level: Level, expected: str) -> None:
    assert writing.text(line("disk /x: full", level)) == expected


def test_a_sum_says_how_often_in_both_forms() -> None:
    summed = line("a: b").again(37)

    assert Writing(Form.TEXT).text(summed) == "a: b (repeated 37 times)\n"
    assert json.loads(Writing(Form.JSON).text(summed))["repeated"] == 37


def test_a_part_s_name_cannot_forge_a_line_nor_move_a_terminal_s_cursor() -> None:
    forged = line("part x\n<3>station: all is well\x1b[2J\x9b2J: lost")

    written = Writing(Form.TEXT).text(forged)

    assert written == "part x <3>station: all is well [2J 2J: lost\n"


def test_a_text_without_end_is_cut() -> None:
    assert len(line("x" * 10_000_000).text) < 2100


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_loses_only_what_it_says() -> None:
    reading, writing = os.pipe()
    log = Log(Writing(Form.TEXT).text, Limiter(10_000), out=writing, most=100)
    longest = 0.0
    for number in range(5000):
        before = time.perf_counter()
        log.say(f"line {chr(97 + number % 26) * 500}: {number}", Level.INFO)
        longest = max(longest, time.perf_counter() - before)

    found: list[bytes] = []
    pipe = os.fdopen(reading, "rb")
    reader = threading.Thread(target=lambda: found.extend(pipe))
    reader.start()
    log.close()
    log._thread.join(WAIT_S)
    os.close(writing)
    reader.join(WAIT_S)
    pipe.close()

    lost = [int(one.split()[1]) for one in found if one.startswith(b"log: ")]
    assert sum(lost) + len(found) - len(lost) == 5000
    assert len(found) - len(lost) < 1000  # what a pipe and a queue hold
    assert longest < 1.0  # a full pipe would hold it up for ever


def test_a_log_whose_reader_never_comes_ends_all_the_same() -> None:
    reading, writing = os.pipe()
    log = Log(Writing(Form.TEXT).text, Limiter(10_000), out=writing, most=1000)
    for number in range(1000):
        log.say(f"{chr(97 + number % 26) * 1000}", Level.INFO)
    began = time.monotonic()

    log.close()

    assert time.monotonic() - began < WAIT_S
    os.set_blocking(reading, False)
    while log._thread.is_alive():
        with suppress(BlockingIOError):  # nothing at the moment
            os.read(reading, 65536)
    os.close(reading)
    os.close(writing)


def test_a_sum_comes_by_itself_when_its_time_is_over() -> None:
    reading, writing = os.pipe()
    with (
        os.fdopen(reading) as read,
        closing(Log(Writing(Form.TEXT).text, Limiter(1, per=0.2), out=writing)) as log,
    ):
        for _ in range(4):
            log.say("a: b", Level.INFO)

        assert read.readline() == "a: b\n"
        assert read.readline().startswith("a: b (repeated ")
    os.close(writing)


def test_tell_goes_through_the_log_until_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    logs.begin(Form.JSON, [])
    tell("camera: lost", Level.WARNING)
    progress.at_end()
    tell("after")

    first, second = capsys.readouterr().err.splitlines()
    assert {k: json.loads(first)[k] for k in ("level", "where", "text")} == {
        "level": "warning",
        "where": "camera",
        "text": "camera: lost",
    }
    assert second == "after"


def test_flag_before_environment_before_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def form(flag: Form | None) -> str:
        logs.begin(flag, [LogSettings(format=Form.TEXT)])
        tell("x")
        progress.at_end()
        return "json" if capsys.readouterr().err.startswith("{") else "text"

    by_file = form(None)
    monkeypatch.setenv(logs.FORM, "json")
    by_environment, by_flag = form(None), form(Form.TEXT)

    assert (by_file, by_environment, by_flag) == ("text", "json", "text")


def test_an_unknown_form_in_the_environment_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.FORM, "xml")

    with pytest.raises(ConfigError) as caught:
        logs.begin(None, [])

    assert str(caught.value) == "EDGECLS_LOG: 'xml'; expected one of text, json"


def test_two_files_that_want_different_logs_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        logs.begin(None, [LogSettings(), LogSettings(Form.JSON, 9)])

    assert str(caught.value) == (
        "log: format = 'json', most_per_minute = 9 in one station file, format = 'text', "
        "most_per_minute = 5 in another; expected the same in each: they share one log"
    )


def test_no_lines_at_all_is_no_limit_that_a_log_may_have() -> None:
    with pytest.raises(ConfigError) as caught:
        LogSettings(most_per_minute=0)

    assert str(caught.value) == "log.most_per_minute: 0; expected 1 to 10000"


def run_with(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecls", "run", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
        env={**os.environ, **environment},
    )


def test_what_ends_a_run_is_a_line_of_its_log_too(made: Made, tmp_path: Path) -> None:
    flags = ("--bundle", made.path, "--camera", tmp_path / "nowhere", "--good", "good")

    done = run_with({}, *flags, "--log", "json")

    (last,) = [json.loads(text) for text in done.stderr.splitlines()]
    assert done.returncode == 2
    assert (last["level"], last["where"]) == ("error", "edgecls run")


def test_a_file_that_cannot_be_read_is_said_as_the_environment_wants_it(tmp_path: Path) -> None:
    done = run_with({"EDGECLS_LOG": "json"}, tmp_path / "none.toml")

    text = json.loads(done.stderr)["text"]
    assert text == (
        f"edgecls run: {tmp_path / 'none.toml'}: No such file or directory; expected a station file"
    )


def test_lines_for_journald_begin_with_their_priority(made: Made, tmp_path: Path) -> None:
    log = tmp_path / "stderr"
    with log.open("w") as stderr:
        found = os.fstat(stderr.fileno())
        command = [sys.executable, "-m", "edgecls", "run", "--bundle", str(made.path)]
        done = subprocess.run(
            [*command, "--camera", "nowhere", "--good", "good"],
            stderr=stderr,
            stdout=subprocess.DEVNULL,
            check=False,
            timeout=WAIT_S,
            env={**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
        )

    assert done.returncode == 2
    assert log.read_text().startswith("<3>edgecls run: ")
