"""``edgecls export`` as a process: what it prints where, how it ends, what it leaves behind."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecls import cli
from edgecls.bundle import Bundle
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.images import read_image
from parts import LOUD_EVERYWHERE, Made

SETTINGS = ["--size", "64", *("--mean", "0.4", "0.4", "0.4"), *("--std", "0.2", "0.2", "0.2")]
Started = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def started(tmp_path: Path, checkpoint: tuple[Path, Path]) -> Started:
    """Return how to start ``edgecls export`` on the small network, from the folder it lies in."""
    module, weights = checkpoint
    (tmp_path / "out").mkdir()

    def start(
        *flags: str | Path, source: str = "small_network:network", cwd: Path = module.parent
    ) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "edgecls", "export", source]
        command += ["--weights", str(weights), "--to", str(tmp_path / "out" / "disc.bundle")]
        return subprocess.Popen(
            [*command, *SETTINGS, *map(str, flags)],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(module.parent)])},
        )

    return start


def test_an_export_writes_its_proof_to_stdout_and_its_progress_to_stderr(
    started: Started, few: Path, tmp_path: Path
) -> None:
    (few / "good" / "notes.txt").write_text("not an image", encoding="utf-8")
    target = tmp_path / "out" / "disc.bundle"

    process = started("--data", few, "--precision", "fp32", "--json", "--name", "Scheibe")
    stdout, stderr = process.communicate(timeout=120)

    found = json.loads(stdout)
    report = json.loads((target / "report.json").read_text(encoding="utf-8"))
    assert process.returncode == 0
    assert found == {"bundle": str(target), **report}
    assert found["name"] == "Scheibe"
    assert [row["name"] for row in found["rows"]] == [
        *("pytorch", "graph", "normalisation", "fp32")
    ]
    assert f"skipped: {few}/good/notes.txt: not an image, or a damaged one" in stderr
    assert "Traceback" not in stderr
    assert "Warning" not in stderr
    photo = read_image(few / "scratch" / "000.png")
    assert Classifier(Bundle.open(target))(photo).label == "scratch"


@pytest.mark.parametrize("asked", [("--precision", "int8"), ()])
def test_the_exit_code_is_1_only_when_what_was_left_out_was_asked_for(
    started: Started, photos: Path, tmp_path: Path, asked: tuple[str, ...]
) -> None:
    (tmp_path / "loud_everywhere.py").write_text(LOUD_EVERYWHERE, encoding="utf-8")

    process = started(
        *("--data", photos, "--max-drop", "3", *asked),
        source="loud_everywhere:network",
        cwd=tmp_path,
    )
    stdout, stderr = process.communicate(timeout=240)

    target = tmp_path / "out" / "disc.bundle"
    assert process.returncode == (1 if asked else 0)
    assert re.search(
        r"left out: int8-arm: \d+\.\d\d points of top-1 lost on 40 images; "
        r"the budget is 3 \(--max-drop\); (most sensitive|noisiest) layers: \w+",
        " ".join(stdout.split()),
    )
    assert stdout.endswith(f"\nwrote {target}\n")
    assert "Traceback" not in stderr
    assert [variant.name for variant in Bundle.open(target).variants] == ["fp32"]
    assert (target / "report.html").is_file()


@pytest.mark.parametrize(
    "moment",
    [
        "fp32: exporting the graph",
        "calibrating: ranges",
        "fp32: answering to choose by",
        "fp32: timing",
    ],
)
def test_ctrl_c_ends_with_130_and_leaves_nothing(
    started: Started, photos: Path, tmp_path: Path, moment: str
) -> None:
    process = started("--data", photos, "--max-drop", "5")
    assert process.stderr is not None
    while moment not in process.stderr.readline():
        assert process.poll() is None

    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert stderr.endswith("edgecls export: interrupted\n")
    assert "Traceback" not in stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, list[str]]]:
    """Return how to call ``edgecls export`` here: exit code, stdout, stderr without progress."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "labels.txt").write_text("good\nscratch\n", encoding="utf-8")

    def call(*flags: str) -> tuple[int, str, list[str]]:
        code = cli.main(["export", "--to", "disc.bundle", "--labels", "labels.txt", *flags])
        out, err = capsys.readouterr()
        return code, out, [line for line in err.splitlines() if not line.endswith("...")]

    return call


@pytest.mark.parametrize(
    ("flags", "code", "expected"),
    [
        (["timm:resnt18"], 4, "timm:resnt18: timm has no such model; perhaps resnet18"),
        (["timm:resnet18", "--weights", "no.pth"], 4, "no.pth: no such file; expected .pth, .pt"),
        (["timm:resnet18", "--data", "nowhere"], 2, "nowhere: no such folder; expected a folder"),
        (["timm:resnet18", "--max-drop", "-1"], 2, "--max-drop: -1; expected 0 or more"),
        (["timm:resnet18"], 4, "timm:resnet18: untrained without --weights FILE; give --random-"),
        (["timm:resnet18", "--size", "0"], 2, "--size: [0]; expected one or two lengths"),
        (["timm:resnet18", "--size", "1", "2", "3"], 2, "--size: [1, 2, 3]; expected one or two"),
        (
            ["timm:resnet18", "--size", "64", "--resize-size", "32"],
            2,
            "timm:resnet18: preprocessing: resize_size (32, 32) is smaller than size (64, 64)",
        ),
    ],
)
def test_what_cannot_be_exported_ends_with_its_code_and_one_line(
    called: Callable[..., tuple[int, str, list[str]]],
    tmp_path: Path,
    flags: list[str],
    code: int,
    expected: str,
) -> None:
    ended, out, lines = called(*flags)

    assert ended == code
    assert out == ""
    assert len(lines) == 1
    assert lines[0].startswith(f"edgecls export: {expected}")
    assert [file.name for file in tmp_path.iterdir()] == ["labels.txt"]


def test_a_bundle_that_stands_at_the_target_ends_with_3(
    made: Made, called: Callable[..., tuple[int, str, list[str]]]
) -> None:
    ended, out, lines = called("timm:resnet18", "--to", str(made.path))

    assert ended == 3
    assert out == ""
    assert lines == [
        f"edgecls export: {made.path}: exists; choose another --to, or give --force to replace it"
    ]


def test_a_disk_that_is_full_ends_with_one_line_and_leaves_nothing(
    started: Started, few: Path, tmp_path: Path
) -> None:
    process = started("--data", few, "--precision", "fp32")
    assert process.stderr is not None
    while "graph: answering" not in process.stderr.readline():
        assert process.poll() is None

    # From here on no file may grow beyond a thousand bytes.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, 1000))
    _, stderr = process.communicate(timeout=240)

    assert process.returncode == 5
    assert stderr.splitlines()[-1].startswith("edgecls export: ")
    assert "File too large" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert list((tmp_path / "out").iterdir()) == []
