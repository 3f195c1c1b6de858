"""Tuning, specified on a real bundle: what it measures, drops, chooses and keeps."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edgecls.bundle import Bundle, seal
from edgecls.cli import main
from edgecls.manifest import Resampling
from edgecls_runtime import Classifier
from edgecls_runtime.measuring import candidates, tuned
from edgecls_runtime.measuring.tuned import Aim
from edgecls_runtime.measuring.tuning import Job, finalists, tune
from parts import INT8, Made


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def forged(made: Made, folder: Path, variant: str) -> Path:
    """Return a bundle whose golden scores of one variant are those of other answers."""
    bundle = Path(shutil.copytree(made.path, folder / "forged.bundle"))
    file = bundle / "golden" / "golden.json"
    table = json.loads(file.read_text(encoding="utf-8"))
    for sample in table["samples"]:
        sample["variants"][variant] = sample["variants"][variant][::-1]
    file.write_text(json.dumps(table), encoding="utf-8")
    seal(bundle, Bundle.open(made.path).manifest)
    return bundle


def test_tune_measures_chooses_and_stores_what_auto_then_runs(
    made: Made, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, said = answer(
        capsys, "tune", made.path, "--provider", "cpu", "--budget-s", "6", "--max-drop", "5"
    )

    choice = tuned.find(Bundle.open(made.path))
    assert code == 0
    assert choice is not None
    assert choice.aim is Aim.LATENCY
    assert f"chosen: {choice.variant} on cpu" in text
    assert "accuracy" in text
    assert choice.why.startswith("latency: ")
    assert "ms a frame" in said
    assert len([*(own_cache / "edgecls" / "tune").iterdir()]) == 1
    classify = Classifier(made.path)
    assert classify.variant.name == choice.variant
    assert classify.provider == choice.open_provider()


def test_a_variant_that_answers_wrongly_here_is_dropped_with_a_line(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = forged(made, tmp_path, INT8)

    code, text, _ = answer(
        capsys, "tune", bundle, "--provider", "cpu", "--budget-s", "1", "--max-drop", "5", "--json"
    )

    table = json.loads(text)
    assert code == 0
    assert table["choice"]["variant"] == "fp32"
    assert {row["variant"] for row in table["measured"]} == {"fp32"}
    assert f"{INT8} on cpu: dropped: " in table["dropped"][0]
    assert "answers wrongly here on CPUExecutionProvider" in table["dropped"][0]


def test_where_nothing_answers_rightly_nothing_is_stored(
    made: Made, tmp_path: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(shutil.copytree(made.path, tmp_path / "strict.bundle"))
    manifest = Bundle.open(bundle).manifest
    strict = tuple(replace(variant, tolerance=1e-12) for variant in manifest.variants)
    seal(bundle, replace(manifest, variants=strict))

    code, text, _ = answer(capsys, "tune", bundle, "--provider", "cpu", "--max-drop", "5")

    assert code == 1
    assert "nothing is stored: no configuration is left that runs and answers rightly" in text
    assert not (own_cache / "edgecls" / "tune").exists()


def test_what_the_export_found_too_inaccurate_is_not_measured(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(shutil.copytree(made.path, tmp_path / "worse.bundle"))
    manifest = Bundle.open(bundle).manifest
    worse = tuple(
        replace(variant, accuracy=0.5) if variant.name == INT8 else variant
        for variant in manifest.variants
    )
    seal(bundle, replace(manifest, variants=worse))

    code, _, said = answer(capsys, "tune", bundle, "--provider", "cpu", "--budget-s", "1")

    assert code == 0
    assert f"{INT8} on cpu: dropped: accuracy 50.00 % is" in said
    assert "points below fp32; at most 1 (--max-drop)" in said


def test_images_tell_a_variant_that_is_worse_here_than_recorded(
    made: Made, tmp_path: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swapped = tmp_path / "swapped"
    shutil.copytree(made.photos / "good", swapped / "scratch")
    shutil.copytree(made.photos / "scratch", swapped / "good")
    flags = ["--provider", "cpu", "--budget-s", "1", "--max-drop", "5", "--json"]

    right = answer(capsys, "tune", made.path, *flags, "--data", made.photos)
    wrong = answer(capsys, "tune", made.path, *flags, "--data", swapped)

    assert right[0] == 0
    assert all(row["accuracy"] > 0.9 for row in json.loads(right[1])["measured"])
    assert wrong[0] == 1
    assert len(json.loads(wrong[1])["dropped"]) == 2
    assert "is worse than the" in json.loads(wrong[1])["dropped"][0]
    assert len([*own_cache.rglob("*.json")]) == 1


def test_a_stale_choice_is_said_and_measured_again(
    made: Made, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--provider", "cpu", "--budget-s", "1", "--max-drop", "5", "--aim", "memory"]
    answer(capsys, "tune", made.path, *flags)
    (stored,) = own_cache.rglob("*.json")
    table = json.loads(stored.read_text(encoding="utf-8"))
    table["versions"]["numpy"] = "0.1"
    stored.write_text(json.dumps(table), encoding="utf-8")

    code, _, said = answer(capsys, "tune", made.path, *flags)

    assert code == 0
    assert f"{stored}: measured with numpy 0.1, here is" in said
    assert "; measuring again" in said
    assert tuned.find(Bundle.open(made.path)) is not None


@pytest.mark.parametrize("proven", list(Resampling))
def test_finalists_are_on_the_rung_that_the_export_proved_or_a_more_exact_one(
    made: Made, proven: Resampling
) -> None:
    bundle = Bundle.open(made.path)
    preprocessing = replace(bundle.preprocessing, resampling=proven)
    faster = replace(bundle, manifest=replace(bundle.manifest, preprocessing=preprocessing))
    engines, _ = candidates.engines(faster, ["cpu"], cores=2)

    found = finalists(faster, engines[:2])

    rungs = list(Resampling)
    assert found[:2] == engines[:2]
    expected = [proven, proven, *reversed(rungs[: rungs.index(proven)])]
    assert [one.resampling for one in found] == expected
    assert finalists(faster, []) == []


@pytest.mark.slow
def test_with_time_enough_rungs_are_measured_in_turn_with_what_runs_untuned(
    made: Made, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(made.path, tmp_path / "halving.bundle"))
    manifest = Bundle.open(copy).manifest
    proven = replace(manifest.preprocessing, resampling=Resampling.HALVING)
    seal(copy, replace(manifest, preprocessing=proven))
    bundle = Bundle.open(copy)
    lines: list[str] = []

    found = tune(Job(bundle, Aim.LATENCY, 300.0, ("cpu",), 5.0, 1), lines.append)

    assert found.chosen is not None
    assert found.unseen == 0
    assert {one.configuration.resampling for one in found.tried} == {"exact", "halving"}
    assert found.chosen.figures.cpu_share is not None
    assert "runs without tuning" in found.why


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--provider", "abacus"], 2, "edgecls.providers: no kind 'abacus'"),
        (["--provider", "cpu", "--data", "nowhere"], 2, "nowhere: no such folder"),
    ],
)
def test_a_mistake_is_told_before_anything_is_measured(
    made: Made, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, message: str
) -> None:
    found, text, said = answer(capsys, "tune", made.path, *flags)

    assert (found, text) == (code, "")
    assert message in said


def test_the_first_setting_of_every_variant_comes_before_the_second_of_any(made: Made) -> None:
    engines, not_here = candidates.engines(Bundle.open(made.path), ["cpu"], cores=4)

    assert not_here == {}
    assert {engine.variant for engine in engines[:2]} == {INT8, "fp32"}
    assert engines[0].provider == {"kind": "cpu", "spinning": False}
    settings = [engine.provider for engine in engines if engine.variant == "fp32"]
    assert [table.get("threads", 0) for table in settings] == [0, 0, 1, 2, 2, 4, 4]
    assert {"kind": "cpu", "threads": 1, "spinning": True} not in settings


def test_openvino_is_tried_with_and_without_rounding_to_bfloat16(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "fitting", lambda bundle, _: bundle.variants[:1])

    engines, _ = candidates.engines(Bundle.open(made.path), ["openvino"], cores=1)

    assert [engine.provider.get("bfloat16") for engine in engines[:2]] == [False, True]


def test_ctrl_c_tells_what_was_measured_and_stores_nothing_half(
    made: Made, own_cache: Path
) -> None:
    command = [sys.executable, "-m", "edgecls", "tune", str(made.path), "--provider", "cpu"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(own_cache)}
    with subprocess.Popen(
        [*command, "--json", "--max-drop", "5", "--budget-s", "600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stderr is not None
        while "ms a frame" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        text, said = process.communicate(timeout=60)

    table = json.loads(text)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert table["interrupted"] is True
    assert table["not_measured"] > 0
    assert len(table["measured"]) >= 1
    assert table["choice"] is None
    assert not (own_cache / "edgecls" / "tune").exists()
    assert time.monotonic() - began < 30
