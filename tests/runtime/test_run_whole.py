"""``edgecls run`` with all rooms open: what the trigger announced is the same number everywhere."""

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgecls.cli import main
from edgecls_runtime.journal import open_reader
from parts import LABELS, Made, part_image
from running import WAIT_S, started
from servers import MjpegServer
from trigger_sources import closed_port, missing, post, until

GOOD = part_image(LABELS[0], np.random.default_rng(3))
TOKEN = "0123456789abcdef" * 2
PARTS = 7


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    with MjpegServer(GOOD) as server:
        yield server


def asked(port: int, path: str, body: object = None) -> object:
    """Return what the operator's page answers a program."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310 - ours
        found: object = json.load(answer)
    return found


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=WAIT_S) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")
    }


def test_every_room_says_the_same_of_the_parts_that_were_announced(
    made: Made, camera: MjpegServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if why := missing("starlette", "uvicorn"):
        pytest.skip(why)
    trigger, page, figures = closed_port(), closed_port(), closed_port()
    file = tmp_path / "station.toml"
    file.write_text(
        f"bundle = {json.dumps(str(made.path))}\n"
        f'recipe = "m6"\n[camera]\nkind = "http"\nurl = "{camera.url}"\n'
        f'[trigger]\nkind = "http"\nport = {trigger}\n[journal]\npath = "v.db"\n'
        f'[rule]\ngood = ["good"]\nmin_score = 0.6\n[recipes.m6]\n'
        f'[recipes.m8.rule]\ngood = ["scratch"]\nmin_score = 0.6\n'
        f'[web]\nport = {page}\ntoken = "{TOKEN}"\n'
        f'[[outputs]]\nkind = "prometheus"\nport = {figures}\n'
        f'[[outputs]]\nkind = "image"\npath = "kept"\nmin_free_mb = 0\n'
        f'[[outputs]]\nkind = "terminal"\n',
        encoding="utf-8",
    )

    with started(file) as run:
        until(lambda: announced(trigger, "1"), WAIT_S)
        run.next()
        asked(page, "/api/recipe", {"recipe": "m8"})
        for number in range(2, PARTS + 1):
            announced(trigger, str(number))
        judged = [run.next() for _ in range(2, PARTS + 1)]
        until(lambda: balance(page)["fail"] == PARTS - 1, WAIT_S)
        status = asked(page, "/api/status")
        counted = metrics(figures)
        until(lambda: len(list((tmp_path / "kept").rglob("*.jpg"))) == PARTS - 1, WAIT_S)
        code, last, _ = run.end(signal.SIGTERM)

    assert code == 0
    assert {line["recipe"] for line in judged} == {"m8"}
    assert balance_of(status) == {
        "triggers": PARTS, "pass": 1, "fail": PARTS - 1, "review": 0, "missed": 0, "error": 0,
        "waiting": 0, "incidents": 0, "is_balanced": True,
    }  # fmt: skip
    assert counted['edgecls_verdicts_total{camera="",counts_as="fail"}'] == PARTS - 1
    assert counted["edgecls_triggers_total"] == PARTS
    assert last["summary"]["triggers"] == PARTS  # type: ignore[index]
    with open_reader(tmp_path / "v.db") as reader:
        counts = reader.counts()
    assert (counts["triggers"], counts["pass"], counts["fail"]) == (PARTS, 1, PARTS - 1)
    assert main(["journal", "verify", str(tmp_path / "v.db")]) == 0
    assert f"{PARTS} entries: the chain holds" in capsys.readouterr().out


def announced(port: int, part: str) -> bool:
    try:
        return post(port, part.encode())[0] == 202
    except OSError:
        return False


def balance(port: int) -> dict[str, object]:
    return balance_of(asked(port, "/api/status"))


def balance_of(status: object) -> dict[str, object]:
    assert isinstance(status, dict)
    found: dict[str, object] = status["balance"]
    return found
