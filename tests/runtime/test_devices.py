"""What ``edgecls devices`` says, and the commands that take any provider."""

import ctypes
import json
import os
import re
import sys
from pathlib import Path

import pytest

from edgecls.cli import main
from edgecls_runtime.native_output import on_stderr
from edgecls_runtime.probe import Probed, probe
from parts import Made

TWIN = """
from dataclasses import dataclass
import os
from edgecls_runtime.providers import cpu

@dataclass
class Twin:
    how: str
    name: str = "Twin"
    exact: bool = False

    def load(self, model):
        if self.how == "crash":
            os.abort()
        session = cpu.open().load(model)
        run = session.run
        if self.how == "wrong":
            session.run = lambda batch: run(batch[..., ::-1].copy())
        return session

def open(*, how=os.environ.get("TWIN", "right")):
    return Twin(how)
"""


@pytest.fixture
def twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Install a package of somebody else's with a provider; return its kind."""
    (tmp_path / "twin_provider.py").write_text(TWIN, encoding="utf-8")
    place = tmp_path / "twin_provider-3.1.dist-info"
    place.mkdir()
    text = "Metadata-Version: 2.1\nName: twin-provider\nVersion: 3.1\n"
    (place / "METADATA").write_text(text, encoding="utf-8")
    entry = "[edgecls.providers]\ntwin = twin_provider:open\n"
    (place / "entry_points.txt").write_text(entry, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    return "twin"


def test_every_provider_is_listed_with_its_proof_or_its_reason(
    twin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["devices", "--json"])

    table = json.loads(capsys.readouterr().out)
    found = {row["kind"]: row for row in table["providers"]}
    assert code == 0
    assert table["engines"][0]["name"].startswith("onnxruntime")
    assert found["cpu"]["ready"]
    assert len(found["cpu"]["devices"]) == 1
    # As many nodes as the optimised graph has, once it is kept.
    for kind in ("cpu", twin):
        assert re.fullmatch(r"ran (\d) of \1 nodes of a tiny model, rightly", found[kind]["what"])
    assert found[twin] == found["cpu"] | {
        "kind": "twin",
        "package": "twin-provider 3.1",
        "devices": [],
        "what": found[twin]["what"],
    }
    assert not found["nnapi"]["ready"]
    assert "build onnxruntime for Android" in found["nnapi"]["what"]


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("wrong", "Twin: answers wrongly: off by 0."),
        ("crash", "crashed with code -6"),
        ("unknown", "ran 4 of 4 nodes"),
    ],
)
def test_a_driver_that_lies_or_crashes_is_not_ready(
    twin: str, monkeypatch: pytest.MonkeyPatch, how: str, what: str
) -> None:
    monkeypatch.setenv("TWIN", how)

    found = probe(twin)

    assert found.what.startswith(what)
    assert found.ready is (how == "unknown")


EYE = """
\"\"\"A camera of somebody else's, on its own bus.

More about it.
\"\"\"
import ctypes
import os
import time
from edgecls.errors import CameraError, Fault
from edgecls_runtime.probe import Probed

def open(): ...

def found():
    how = os.environ["EYE"]
    if how == "crash":
        os.abort()
    if how == "hang":
        time.sleep(60)
    if how == "missing":
        raise CameraError("eye: no driver; run: sudo apt install eye", Fault.MISSING)
    if how == "not installed":
        import a_vendor_s_sdk
    ctypes.CDLL(None).puts(b"Vendor SDK 3.1, all rights reserved")
    return Probed("eye", ready=True, what="USB", package="eye-sdk 7", devices=("eye 1", "eye 2"))

if os.environ["EYE"] != "silent":
    probed = found
"""
EYE_PACKAGE = "eye-camera 0.4"


@pytest.fixture
def eye(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Install a package of somebody else's with a camera; return its kind."""
    (tmp_path / "eye_camera.py").write_text(EYE, encoding="utf-8")
    place = tmp_path / "eye_camera-0.4.dist-info"
    place.mkdir()
    text = "Metadata-Version: 2.1\nName: eye-camera\nVersion: 0.4\n"
    (place / "METADATA").write_text(text, encoding="utf-8")
    (place / "entry_points.txt").write_text("[edgecls.cameras]\neye = eye_camera:open\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    return "eye"


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        ("there", Probed("eye", True, "USB", "eye-sdk 7", ("eye 1", "eye 2"))),
        ("silent", Probed("eye", True, "A camera of somebody else's, on its own bus", EYE_PACKAGE)),
        ("missing", Probed("eye", False, "eye: no driver; run: sudo apt install eye", EYE_PACKAGE)),
        ("not installed", Probed("eye", False, "a_vendor_s_sdk: not installed", EYE_PACKAGE)),
        ("hang", Probed("eye", False, "gave no answer in 3 s")),
    ],
    ids=["there", "silent", "missing", "not installed", "hang"],
)
def test_a_camera_says_what_it_sees_or_what_it_misses_and_its_driver_may_print_and_hang(
    eye: str, monkeypatch: pytest.MonkeyPatch, how: str, answer: Probed
) -> None:
    monkeypatch.setenv("EYE", how)

    assert probe(eye, "cameras", 3.0 if how == "hang" else None) == answer


def test_a_camera_whose_driver_crashes_is_not_ready(
    eye: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EYE", "crash")

    found = probe(eye, "cameras")

    assert not found.ready
    assert found.what.startswith("crashed with code -6")


@pytest.mark.usefixtures("eye")
def test_cameras_and_triggers_are_sections_of_their_own_and_may_be_asked_for_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EYE", "there")

    code = main(["devices", "triggers", "cameras"])

    engine, _, *rows = capsys.readouterr().out.splitlines()
    assert code == 0
    assert engine.startswith("engine     onnxruntime")
    assert rows[0] == "cameras"
    assert "triggers" in rows
    assert "providers" not in rows
    (row,) = (row for row in rows if row.startswith("  eye "))
    assert row.split()[1:] == ["ready", "eye-sdk", "7", "USB;", "eye", "1,", "eye", "2"]


def test_a_section_that_there_is_not_is_answered_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["devices", "robots"])

    assert code == 2
    assert capsys.readouterr().err == (
        "edgecls devices: robots: no such section; "
        "expected any of providers, cameras, triggers, outputs\n"
    )


def test_what_a_library_prints_does_not_reach_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    if os.name != "posix":
        pytest.skip("a library's stdout is only kept apart on POSIX")
    with on_stderr():
        ctypes.CDLL(None).puts(b"a library's line")
    sys.stdout.write("data\n")

    printed = capfd.readouterr()
    assert printed.out == "data\n"
    assert printed.err == "a library's line\n"


def test_warm_says_how_long_loading_and_the_golden_samples_took(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["warm", str(made.path), "--variant", "fp32"])
    text = capsys.readouterr().out
    main(["warm", str(made.path), "--variant", "fp32", "--json"])
    (variant,) = json.loads(capsys.readouterr().out)["variants"]

    assert code == 0
    assert text.startswith("fp32: loaded in 0.")
    assert text.endswith("s, right; nothing to keep\n")
    assert variant["samples"] == 8
    assert variant["kept_in"] is None


def test_verify_says_where_every_node_ran(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify", str(made.path), "--variant", "fp32", "--json"])

    (variant,) = json.loads(capsys.readouterr().out)["variants"]
    assert variant["flops_share"] == 1.0
    assert variant["placement"].startswith("100 % of the arithmetic and ")
