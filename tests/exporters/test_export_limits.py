"""``edgecls export`` with targets, budgets and data as a user gives them: what is left out, why."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgecls import cli
from edgecls.bundle import Bundle
from edgecls.manifest import Precision, Resampling
from edgecls_exporters import targets
from edgecls_exporters.export import export
from edgecls_runtime.images import find_labelled, read_image
from parts import LABELS, Exporting, part_image, write_photos

SETTINGS = ["--size", "64", *("--mean", "0.4", "0.4", "0.4"), *("--std", "0.2", "0.2", "0.2")]
Called = Callable[..., tuple[int, str, str]]
# What leaves the small network a stranger to its own photos.
BROKEN = """
import torch
from torch import nn
import small_network

class Same(nn.Sequential):
    def forward(self, image):
        return 0 * super().forward(image) + torch.tensor([[1.0, 2.0]])

class Odd(nn.Module):
    def forward(self, features):
        return torch.special.bessel_j1(features)

def same():
    return Same(*small_network.network())

def odd():
    network = small_network.network()
    network[2] = Odd()
    return network
"""


@pytest.fixture
def called(
    tmp_path: Path,
    checkpoint: tuple[Path, Path],
    exporting: Exporting,  # noqa: ARG001 - puts the networks on the path
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Called:
    """Return how to call ``edgecls export`` here, to ``disc.bundle``: exit code, stdout, stderr."""
    (tmp_path / "broken.py").write_text(BROKEN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def call(*flags: object, source: str = "small_network:network") -> tuple[int, str, str]:
        given = ["--weights", checkpoint[1], "--to", "disc.bundle", *SETTINGS, *flags]
        code = cli.main(["export", source, *map(str, given)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def fault(err: str) -> str:
    """Return the last line of stderr, which must be one of ours."""
    assert "Traceback" not in err
    return err.splitlines()[-1].removeprefix("edgecls export: ")


def test_each_target_gets_a_variant_that_says_what_it_is_for(
    exporting: Exporting, photos: Path
) -> None:
    wanted = ("arm", "tensorrt", "qnn", "webgpu")
    job = exporting(data=photos, targets=wanted, max_drop=5.0)

    report = export(job)

    variants = {variant.target: variant for variant in Bundle.open(job.target).variants}
    rows = {row.name: row for row in report.rows}
    assert report.left_out == {}
    assert set(variants) == {"any", *wanted}
    for name in wanted:
        target, variant = targets.find(name), variants[name]
        assert variant.name == f"{target.precision}-{name}"
        assert variant.precision is target.precision
        assert variant.providers == target.providers
        assert variant.machines == target.machines
        # Made for kernels that are not here: computed as written, and not timed.
        assert rows[variant.name].after == "fp32"
        assert rows[variant.name].engine_ms is None
        assert variant.agreement == rows[variant.name].agreement >= 0.95


def test_an_unknown_target_is_refused_with_those_there_are(called: Called) -> None:
    code, out, err = called("--target", "x86")

    known = ", ".join(targets.names())
    assert (code, out) == (2, "")
    assert fault(err) == f"--target: no target 'x86'; known are {known}"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--max-drop", "-1"], "--max-drop: -1; expected 0 or more"),
        (["--max-drop", "nan"], "--max-drop: nan; expected 0 or more"),
        (["--max-label-drop", "-0.5"], "--max-label-drop: -0.5; expected 0 or more"),
        (["--max-escapes", "-3"], "--max-escapes: -3; expected 0 or more"),
        (["--seed", "-1"], "--seed: -1; expected 0 or more"),
        (["--calibration-data", "x"], "--calibration-data: nothing to measure on; give --data"),
        (
            ["--labels", "labels.txt", "--good", "fine"],
            "--good: 'fine' is no label of the model; its labels are good, scratch",
        ),
    ],
)
def test_a_limit_that_means_nothing_is_refused(
    called: Called, flags: list[str], expected: str
) -> None:
    code, out, err = called(*flags)

    assert (code, out) == (2, "")
    assert fault(err).startswith(expected)


def test_calibration_data_calibrate_and_choose_and_all_data_measure(
    exporting: Exporting, photos: Path, tmp_path: Path
) -> None:
    aside = write_photos(tmp_path / "aside", 20, seed=9)

    report = export(
        exporting(data=photos, calibration_data=aside, targets=("x86-avx2",), max_drop=5.0)
    )

    assert (report.calibrated, report.chosen_on) == (20, 20)
    assert {row.images for row in report.rows} == {80}


def test_a_picture_that_calibrates_and_measures_is_a_leak_in_any_format(
    called: Called, photos: Path, tmp_path: Path
) -> None:
    aside = write_photos(tmp_path / "aside", 3, seed=9)
    copied = photos / "scratch" / "007.png"
    cv2.imwrite(str(aside / "scratch" / "copy.bmp"), read_image(copied)[..., ::-1])

    code, out, err = called("--data", photos, "--calibration-data", aside)

    assert (code, out) == (4, "")
    assert fault(err) == (
        f"{aside}/scratch/copy.bmp: the same picture as {copied}; an image that calibrates must "
        f"not measure; remove it from --calibration-data or from --data"
    )
    assert not (tmp_path / "disc.bundle").exists()


def test_photos_of_one_label_prove_nothing_and_are_refused(
    called: Called, few: Path, tmp_path: Path
) -> None:
    shutil.rmtree(few / "scratch")

    code, out, err = called("--data", few, "--labels", "labels.txt")

    assert (code, out) == (4, "")
    assert fault(err) == (
        f"{few}: every measured image is 'good', and a model that always says so would be "
        f"perfect; expected images of at least two labels"
    )
    assert not (tmp_path / "disc.bundle").exists()


@pytest.mark.parametrize(
    ("asked", "name", "code"), [((), "int8", 0), (("--target", "arm"), "int8-arm", 1)]
)
def test_too_few_photos_leave_int8_out_and_say_how_many_are_needed(
    called: Called, few: Path, asked: tuple[str, ...], name: str, code: int
) -> None:
    ended, out, _ = called("--data", few, *asked)

    said = " ".join(out.split())
    assert ended == code
    assert re.search(
        rf"left out: {name}: measured on 6 images, where one answer is 16.7 points; the budget is "
        r"1: give images until 100 are measured, or a larger --max-drop",
        said,
    )
    assert [v.name for v in Bundle.open("disc.bundle").variants] == ["fp32"]
    assert Path("disc.bundle/report.html").is_file()
    assert Path("disc.bundle/report.json").is_file()


def test_limits_on_a_label_and_on_escapes_leave_a_variant_out_that_top_1_would_not(
    exporting: Exporting, photos: Path
) -> None:
    job = {"source": "loud_everywhere:network", "data": photos, "targets": ("x86-avx2",)}
    of_label = export(exporting(**job, max_drop=60.0, max_label_drop=5.0))
    (reason,) = of_label.left_out.values()
    row = next(row for row in of_label.rows if row.name == "int8-x86-avx2")
    worst = min(LABELS, key=lambda label: row.recall[label])
    (other,) = set(LABELS) - {worst}

    strict = export(exporting(**job, max_drop=60.0, good=(other,), max_escapes=2, force=True))

    (escaped,) = strict.left_out.values()
    assert re.fullmatch(
        rf"\d+\.\d\d points of {worst}'s recall lost; the budget is 5 \(--max-label-drop\)", reason
    )
    assert re.fullmatch(
        r"\d+ defective parts pass that the original stops; the budget is 2 \(--max-escapes\)",
        escaped,
    )


def test_a_variant_that_was_left_out_names_the_layers_that_broke_it(
    called: Called, photos: Path
) -> None:
    code, out, _ = called(
        *("--data", photos, "--max-drop", "3", "--target", "x86-avx2", "--json"),
        source="loud_everywhere:network",
    )

    def refused(name: str) -> None:
        raise AssertionError(name)  # NaN and Infinity are no JSON

    table = json.loads(out, parse_constant=refused)
    report = json.loads(Path("disc.bundle/report.json").read_text(encoding="utf-8"))
    page = Path("disc.bundle/report.html").read_text(encoding="utf-8")
    (found,) = report["quantizations"]
    assert code == 1
    assert table == {"bundle": "disc.bundle", **report}
    assert found["variant"] == "int8-x86-avx2"
    assert list(report["left_out"]) == ["int8-x86-avx2"]
    assert len(found["layers"]) == 4
    assert all(layer["noise_db"] < 10 for layer in found["layers"] if layer["integer"])
    assert all(layer["sensitivity"] is not None for layer in found["layers"] if layer["integer"])
    assert all(layer["name"] in page for layer in found["layers"])


def test_one_loud_feature_is_repaired_without_being_asked(
    exporting: Exporting, photos: Path
) -> None:
    job = exporting(source="loud_network:network", data=photos, targets=("x86-avx2",), max_drop=3.0)

    report = export(job)

    (found,) = report.quantizations
    rows = {row.name: row for row in report.rows}
    assert report.left_out == {}
    assert max(one.agreement for one in found.attempts if not one.float_layers) < 0.9
    assert [layer.operator for layer in found.layers if not layer.integer] == ["Gemm"]
    assert rows["int8-x86-avx2"].agreement >= 0.97


def large_photos(folder: Path, count: int) -> Path:
    """Write photos that a resize has much to read of, so many of each label."""
    random = np.random.default_rng(4)
    for label in LABELS:
        (folder / label).mkdir(parents=True)
        for number in range(count):
            image = cv2.resize(part_image(label, random), (640, 640))
            cv2.imwrite(str(folder / label / f"{number:03}.bmp"), image[..., ::-1])
    return folder


def test_a_faster_resize_is_taken_when_it_changes_no_answer_and_not_when_exact_is_wanted(
    exporting: Exporting, photos: Path, tmp_path: Path
) -> None:
    aside = large_photos(tmp_path / "aside", 52)
    job = {
        "data": photos,
        "calibration_data": aside,
        "targets": ("webgpu",),
        "calibration_images": 52,
        "max_drop": 5.0,
        "force": True,
    }

    free = export(exporting(**job))
    by_itself = Bundle.open(exporting().target).preprocessing.resampling
    forced = export(exporting(**job, resampling=Resampling.EXACT))

    (chosen,) = (rung for rung in free.rungs if rung.chosen)
    (exact,) = (rung for rung in forced.rungs if rung.chosen)
    assert chosen.agreement == 1.0
    assert chosen.milliseconds < free.rungs[0].milliseconds
    assert chosen.name == by_itself != Resampling.EXACT
    assert exact.name == Resampling.EXACT
    assert Bundle.open(exporting().target).preprocessing.resampling is Resampling.EXACT


def test_the_resize_that_was_asked_for_is_the_one_of_the_bundle(
    exporting: Exporting, few: Path
) -> None:
    job = exporting(data=few, precision=Precision.FP32, resampling=Resampling.COARSE)

    export(job)

    assert Bundle.open(job.target).preprocessing.resampling is Resampling.COARSE


def test_a_picture_twice_in_data_counts_once_and_under_two_labels_is_refused(
    called: Called, few: Path
) -> None:
    first = find_labelled(few)[0].path
    shutil.copy(first, few / "scratch" / "stray.png")

    code, out, err = called("--data", few, "--precision", "fp32")

    assert (code, out) == (4, "")
    assert fault(err) == (
        f"{few}/scratch/stray.png: the same picture as {first}, under another label; keep one"
    )


def test_weights_that_diverged_are_refused(
    called: Called, few: Path, checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    state = torch.load(checkpoint[1], weights_only=True)
    next(iter(state.values())).fill_(torch.nan)
    torch.save(state, tmp_path / "nan.pth")

    code, out, err = called("--data", few, "--weights", tmp_path / "nan.pth")

    assert (code, out) == (4, "")
    assert "not numbers" in fault(err)
    assert not Path("disc.bundle").exists()


def test_a_model_that_answers_the_same_on_every_image_is_refused(called: Called, few: Path) -> None:
    code, out, err = called("--data", few, source="broken:same")

    assert (code, out) == (4, "")
    assert "answers the same on every image" in fault(err)


def test_an_operator_that_onnx_does_not_have_is_named_with_its_module(
    called: Called, few: Path
) -> None:
    code, out, err = called("--data", few, source="broken:odd")

    assert (code, out) == (4, "")
    assert "bessel_j1" in fault(err)
    assert "2 (Odd)" in fault(err)
    assert not Path("disc.bundle").exists()
