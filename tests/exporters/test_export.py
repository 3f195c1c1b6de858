"""The export, specified: what a user gets, and what is refused."""

import json
import math
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torchvision import transforms

from edgecls.bundle import Bundle
from edgecls.errors import BundleError, ConfigError, ExportError, ParityError
from edgecls.manifest import Precision
from edgecls.prediction import Task
from edgecls_exporters.export import export
from edgecls_exporters.splits import Wanted, split
from edgecls_exporters.transforms import open_upright
from edgecls_runtime import golden
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.images import Labelled, find_labelled, read_image
from parts import ARM, INT8, LABELS, PREPROCESSING, SIZE, Exporting, Made, part_image

TOGETHER = "do --labels and the checkpoint belong together?"


def pytorch_scores(made: Made, image: Image.Image) -> NDArray[np.float32]:
    """Answer as the user's own program would: torchvision, PyTorch, the checkpoint."""
    from small_network import network  # type: ignore[import-not-found] # noqa: PLC0415 - on the path of this test only

    model = network()
    model.load_state_dict(torch.load(made.checkpoint, weights_only=True))
    seen = transforms.Compose(
        [
            transforms.Resize(SIZE[0]),
            transforms.CenterCrop(SIZE),
            transforms.ToTensor(),
            transforms.Normalize(PREPROCESSING["mean"], PREPROCESSING["std"]),
        ]
    )
    with torch.inference_mode():
        return np.asarray(torch.softmax(model.eval()(seen(image)[None]), dim=1)[0])


def binomial_p(right: NDArray[np.bool_], original_right: NDArray[np.bool_]) -> float:
    """Return the p of so uneven a share of heads, or a more uneven one, as a plain sum."""
    changed = int((right != original_right).sum())
    heads = min(int((right & ~original_right).sum()), int((original_right & ~right).sum()))
    tail = sum(math.comb(changed, k) for k in range(heads + 1))
    return min(1.0, float(2 * tail / 2**changed))


def measured(made: Made) -> list[Labelled]:
    return split(find_labelled(made.photos), [], Wanted(24, 128, 2000, 0)).measure


def test_an_export_ends_with_a_table_measured_on_images_that_calibration_never_saw(
    made: Made,
) -> None:
    rows = {row.name: row for row in made.report.rows}

    assert (made.report.calibrated, made.report.chosen_on) == (20, 20)
    assert {row.images for row in rows.values()} == {40}
    assert rows["pytorch"].accuracy is not None
    assert rows["pytorch"].accuracy > 0.95
    assert rows["fp32"].agreement == 1.0
    assert rows[INT8].agreement >= 0.95
    assert rows[ARM].agreement >= 0.95
    assert {v.name for v in Bundle.open(made.path).variants} == {"fp32", INT8, ARM}


def test_the_report_file_says_what_the_export_returned(made: Made) -> None:
    found = json.loads((made.path / "report.json").read_text(encoding="utf-8"))

    assert found == json.loads(json.dumps(asdict(made.report)))
    assert found["name"] == "disc"
    assert found["task"] == "multiclass"
    assert found["left_out"] == {}
    assert found["duplicates"] == 0
    assert found["skipped"] == []


@pytest.mark.usefixtures("exporting")
def test_every_figure_of_the_report_can_be_measured_again(made: Made) -> None:
    report = json.loads((made.path / "report.json").read_text(encoding="utf-8"))
    data = measured(made)
    truth = np.array([item.label for item in data])
    original = np.stack([pytorch_scores(made, Image.open(item.path)) for item in data])
    original_right = np.array(LABELS)[original.argmax(1)] == truth

    for row in report["rows"]:
        scores = original
        name, exact = row["name"].removesuffix(" exact"), row["name"] in (f"{INT8} exact", ARM)
        file = made.path / f"model.{name}.onnx"
        if file.exists():
            classify = Classifier(made.path, "reference" if exact else "cpu", name)
            scores = np.stack([classify(read_image(item.path)).scores for item in data])
        if file.exists() and name == row["name"]:
            assert row["size_bytes"] == file.stat().st_size
            assert row["engine_ms"] is None if exact else 0 < row["engine_ms"] < 1000
        answers = np.array(LABELS)[scores.argmax(1)]

        right = answers == truth
        assert row["images"] == len(data) == 40
        assert row["accuracy"] == pytest.approx(right.mean())
        assert row["agreement"] == pytest.approx((scores.argmax(1) == original.argmax(1)).mean())
        assert row["largest_difference"] == pytest.approx(np.abs(scores - original).max(), abs=1e-5)
        assert row["recall"] == pytest.approx({k: right[truth == k].mean() for k in LABELS})
        assert row["drop_p"] == pytest.approx(binomial_p(right, original_right))


def test_the_manifest_carries_the_figures_of_each_variant(made: Made) -> None:
    rows = {row.name: row for row in made.report.rows}

    variants = Bundle.open(made.path).variants

    for variant in variants:
        assert variant.accuracy == rows[variant.name].accuracy
        assert variant.agreement == rows[variant.name].agreement
        assert variant.size_bytes == rows[variant.name].size_bytes
    speeds = {variant.name: rows[variant.name].engine_ms for variant in variants}
    timed = [speed for speed in speeds.values() if speed is not None]
    assert timed == sorted(timed)
    # What this machine's kernels do not run stands right before fp32: where they do, it was asked
    # for.
    order = list(speeds)
    assert speeds[order[order.index("fp32") - 1]] is None


@pytest.mark.usefixtures("exporting")
def test_golden_samples_are_measured_photos_with_the_scores_of_pytorch_and_of_each_variant(
    made: Made,
) -> None:
    originals = [read_image(item.path) for item in measured(made)]
    classifiers = {name: Classifier(made.path, variant=name) for name in ("fp32", INT8)}
    classifiers[ARM] = Classifier(made.path, "reference", ARM)

    samples = golden.read(made.path)

    assert len(samples) == 8
    for sample in samples:
        image = read_image(made.path / sample.file)
        assert any(np.array_equal(image, original) for original in originals)
        assert sample.reference == pytest.approx(
            pytorch_scores(made, Image.fromarray(image)).tolist(), abs=1e-6
        )
        assert set(sample.variants) == set(classifiers)
        for name, scores in sample.variants.items():
            assert scores == pytest.approx(classifiers[name](image).scores.tolist(), abs=1e-6)


@pytest.mark.usefixtures("exporting")
def test_the_photo_on_which_pytorch_hesitates_most_is_among_the_golden_ones(made: Made) -> None:
    data = measured(made)
    margins = [np.ptp(pytorch_scores(made, Image.open(item.path))) for item in data]

    hardest = read_image(data[int(np.argmin(margins))].path)

    files = [sample.file for sample in golden.read(made.path)]
    assert any(np.array_equal(read_image(made.path / file), hardest) for file in files)


def test_the_page_needs_no_other_file(made: Made) -> None:
    page = (made.path / "report.html").read_text(encoding="utf-8")

    links = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')> ]+)""", page)
    assert links
    assert all(link.startswith(("#", "data:image/jpeg;base64,")) for link in links)
    assert "http" not in page
    assert "<script" not in page
    assert "@import" not in page


def test_the_page_shows_the_table_the_recalls_and_where_the_model_comes_from(made: Made) -> None:
    page = (made.path / "report.html").read_text(encoding="utf-8")

    for name in ("pytorch", "fp32", INT8, ARM):
        assert f'<th scope="row">{name}<small>' in page
    assert '<th scope="row">scratch</th>' in page
    assert "Measured on 40 images, calibrated on 20 others" in page
    assert ">small_network:network</td>" in page


def test_every_file_of_a_bundle_is_sealed_and_none_is_left_over(made: Made) -> None:
    files = {file.relative_to(made.path).as_posix() for file in made.path.rglob("*.*")}

    assert files == {*Bundle.open(made.path).manifest.files, "manifest.json", "manifest.sha256"}
    assert {"model.fp32.onnx", f"model.{INT8}.onnx", "report.json", "report.html"} <= files


def test_one_seed_gives_the_same_models_and_force_replaces_a_bundle(
    made: Made, exporting: Exporting, tmp_path: Path
) -> None:
    job = exporting(
        data=made.photos, labels=None, max_drop=5.0, targets=("x86-avx2", "arm"), force=True
    )
    shutil.copytree(made.path, job.target)
    (job.target / "old.txt").touch()

    export(job)

    for name in ("model.fp32.onnx", f"model.{INT8}.onnx", f"model.{ARM}.onnx"):
        assert (job.target / name).read_bytes() == (made.path / name).read_bytes()
    assert not (job.target / "old.txt").exists()
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["disc.bundle"]


def test_a_bundle_at_the_target_is_refused_without_force(made: Made, exporting: Exporting) -> None:
    with pytest.raises(BundleError) as refused:
        export(exporting(target=made.path))

    assert str(refused.value) == (
        f"{made.path}: exists; choose another --to, or give --force to replace it"
    )


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_not_a_bundle_is_never_replaced(
    exporting: Exporting, tmp_path: Path, kind: str
) -> None:
    target = tmp_path / "mine"
    if kind == "folder":
        target.mkdir()
        (target / "thesis.txt").touch()
    else:
        target.touch()

    with pytest.raises(BundleError) as refused:
        export(exporting(target=target, force=True))

    assert str(refused.value) == f"{target}: exists and is not a bundle; choose another --to"
    assert target.exists()


def test_a_target_inside_a_file_is_refused(exporting: Exporting, tmp_path: Path) -> None:
    (tmp_path / "note").touch()
    target = tmp_path / "note" / "disc.bundle"

    with pytest.raises(BundleError) as refused:
        export(exporting(target=target))

    assert str(refused.value) == f"{target}: its folder is a file; choose another --to"


@pytest.mark.parametrize("with_data", [True, False], ids=["on data", "on golden images"])
def test_a_graph_that_answers_otherwise_than_pytorch_leaves_nothing_behind(
    exporting: Exporting, few: Path, tmp_path: Path, *, with_data: bool
) -> None:
    job = exporting(
        source="networks:otherwise",
        data=few if with_data else None,
        precision=Precision.FP32,
    )

    first = "graph" if with_data else "fp32"
    with pytest.raises(
        ParityError, match=rf"^{first}: a score differs by .*; no bundle was written"
    ):
        export(job)

    assert list((tmp_path / "out").iterdir()) == []


def test_int8_over_the_budget_is_left_out_with_the_reason(
    exporting: Exporting, photos: Path
) -> None:
    job = exporting(source="loud_everywhere:network", data=photos, max_drop=3.0)

    report = export(job)

    names = ["int8-x86-avx2", "int8-arm", "int8-tensorrt"]
    bundle = Bundle.open(job.target)
    page = (job.target / "report.html").read_text(encoding="utf-8")
    assert list(report.left_out) == names
    for name, reason in report.left_out.items():
        assert re.fullmatch(
            r"\d+\.\d\d points of top-1 lost on 40 images; the budget is 3 \(--max-drop\)", reason
        )
        assert not (job.target / f"model.{name}.onnx").exists()
        told = " ".join(report.text().split())
        begin = re.escape(f"left out: {name}: {reason}; ")
        assert re.search(begin + r"(most sensitive|noisiest) layers: \w+", told)
        assert f"<b>{name} left out:</b> {reason}" in page
    assert [variant.name for variant in bundle.variants] == ["fp32"]
    assert all(set(sample.variants) == {"fp32"} for sample in golden.read(job.target))


def test_int8_without_images_to_calibrate_on_is_left_out_and_the_reason_is_told(
    exporting: Exporting,
) -> None:
    job = exporting(precision=Precision.INT8)

    report = export(job)

    assert job.asked
    assert report.left_out == {
        f"int8-{name}": "needs images to calibrate and to measure on; give --data DIR"
        for name in ("x86-avx2", "arm", "tensorrt")
    }
    assert [variant.name for variant in Bundle.open(job.target).variants] == ["fp32"]


def test_without_data_one_line_says_that_int8_needs_it_where_nobody_asked(
    exporting: Exporting,
) -> None:
    job = exporting()

    report = export(job)

    assert not job.asked
    assert report.text() == (
        "no images (--data DIR): nothing was measured but the golden samples\n"
        "left out: int8: needs images to calibrate and to measure on; give --data DIR\n"
    )


def test_without_data_a_bundle_holds_fp32_and_golden_samples_that_were_made_up(
    exporting: Exporting,
) -> None:
    job = exporting(precision=Precision.FP32)

    report = export(job)

    bundle = Bundle.open(job.target)
    checks = golden.check(Classifier(bundle))
    assert [variant.name for variant in bundle.variants] == ["fp32"]
    assert bundle.variants[0].accuracy is None
    assert bundle.variants[0].agreement is None
    assert report.rows == ()
    assert report.text() == (
        "no images (--data DIR): nothing was measured but the golden samples\n"
    )
    assert len(checks) == 8
    assert max(check.from_reference for check in checks) < 1e-5


def save_odd_photos(folder: Path) -> None:
    """Write the same kind of photo as every kind of file that a camera or a tool may leave."""
    random = np.random.default_rng(3)
    upright = Image.fromarray(part_image("good", random))
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright.save(folder / f"exif{orientation}.jpg", quality=90, exif=exif)
    upright.convert("L").save(folder / "grey.png")
    upright.convert("L").save(folder / "grey.jpg")
    upright.convert("P").save(folder / "palette.png")
    alpha = Image.fromarray(random.integers(0, 256, upright.size[::-1], dtype=np.uint8))
    Image.merge("RGBA", (*upright.split(), alpha)).save(folder / "rgba.png")
    Image.merge("LA", (upright.convert("L"), alpha)).save(folder / "la.png")
    deep = random.integers(0, 65536, (80, 90), dtype=np.uint16)
    Image.fromarray(deep).save(folder / "deep.png")
    colours = random.integers(0, 65536, (80, 90, 3), dtype=np.uint16)
    cv2.imwrite(str(folder / "deep_rgb.png"), colours)


def test_photos_of_every_kind_are_the_same_bytes_to_the_runtime_and_to_pillow(
    tmp_path: Path,
) -> None:
    save_odd_photos(tmp_path)

    pairs = {
        file.name: (read_image(file), np.asarray(open_upright(file)))
        for file in sorted(tmp_path.iterdir())
    }

    assert len(pairs) == 14
    for name, (ours, pillows) in pairs.items():
        assert np.array_equal(ours, pillows), name


def test_a_photo_that_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    save_odd_photos(tmp_path)
    with Image.open(tmp_path / "exif6.jpg") as opened:
        expected = ImageOps.exif_transpose(opened).size

    height, width = read_image(tmp_path / "exif6.jpg").shape[:2]

    assert (width, height) == expected


def test_broken_files_are_named_skipped_and_counted_and_odd_photos_agree_with_pytorch(
    exporting: Exporting, few: Path
) -> None:
    save_odd_photos(few / "good")
    broken = few / "scratch"
    (broken / "empty.png").touch()
    (broken / "notes.txt").write_text("not an image", encoding="utf-8")
    whole = sorted(broken.glob("0*.png"))
    (broken / "half.png").write_bytes(whole[0].read_bytes()[:2000])
    shutil.copy(whole[1], broken / "twin.png")
    cv2.imwrite(str(broken / "radiance.hdr"), np.ones((70, 70, 3), np.float32))
    job = exporting(data=few, precision=Precision.FP32)

    report = export(job)

    assert report.skipped == (
        f"{broken}/empty.png: empty file; expected an image",
        f"{broken}/half.png: not an image, or a damaged one; expected JPEG, PNG, TIFF, BMP",
        f"{broken}/notes.txt: not an image, or a damaged one; expected JPEG, PNG, TIFF, BMP",
        f"{broken}/radiance.hdr: Pillow cannot read it; expected JPEG, PNG, TIFF, BMP",
    )
    assert report.duplicates == 2  # the twin, and the grey photo with transparency
    assert report.calibrated + report.rows[0].images == 12 + 13
    assert report.rows[1].agreement == 1.0
    assert report.rows[1].largest_difference < 1e-5
    assert "2 duplicates and 4 unreadable files left out" in report.text()


def test_a_folder_without_any_image_is_refused(exporting: Exporting, tmp_path: Path) -> None:
    (tmp_path / "data" / "good").mkdir(parents=True)
    (tmp_path / "data" / "good" / "a.png").write_text("not an image", encoding="utf-8")

    with pytest.raises(ExportError) as refused:
        export(exporting(data=tmp_path / "data"))

    assert str(refused.value) == f"{tmp_path}/data: none of 1 files is an image"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good\nscratch\ngood\n", "good more than once"),
        ("", "labels: 0 given; expected at least two"),
        ("good\n", "labels: 1 given; expected at least two"),
        (
            "a\nb\nc\n",
            "small_network:network: answers (1, 2); expected (1, 3), one logit a label; "
            + TOGETHER,
        ),
    ],
    ids=["twice", "empty", "one", "three"],
)
def test_a_labels_file_that_cannot_be_right_is_refused(
    exporting: Exporting, tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8")

    with pytest.raises(ExportError) as refused:
        export(exporting())

    assert str(refused.value).removeprefix(f"{tmp_path}/labels.txt: ") == expected


def test_labels_in_another_order_than_the_checkpoint_s_are_refused(
    exporting: Exporting, checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    state = torch.load(checkpoint[1], weights_only=True)
    torch.save({"state_dict": state, "labels": ["scratch", "good"]}, tmp_path / "named.pth")

    with pytest.raises(ExportError) as refused:
        export(exporting(weights=tmp_path / "named.pth"))

    assert str(refused.value).endswith(
        "labels.txt: line 1 is 'good'; the model has 'scratch' there; "
        "expected the order of the logits"
    )


def test_fp32_alone_calibrates_nothing_and_measures_every_image(
    exporting: Exporting, few: Path
) -> None:
    report = export(exporting(data=few, precision=Precision.FP32))

    assert (report.calibrated, report.rows[0].images) == (0, 12)


def test_a_labels_file_that_is_missing_is_refused(exporting: Exporting, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"No such file or directory.*expected a label a line"):
        export(exporting(labels=tmp_path / "none.txt"))


def test_a_labels_file_of_windows_is_read_like_any_other(exporting: Exporting, few: Path) -> None:
    labels = few.parent / "windows.txt"
    labels.write_bytes(b"\xef\xbb\xbfgood\r\ndent\r\n")

    with pytest.raises(ExportError) as refused:
        export(exporting(data=few, labels=labels))

    assert str(refused.value) == (
        f"{few}/scratch: no label of the model; its labels are good, dent"
    )


def test_without_labels_from_anywhere_the_ways_to_give_them_are_named(
    exporting: Exporting,
) -> None:
    with pytest.raises(ExportError) as refused:
        export(exporting(labels=None))

    assert str(refused.value) == (
        "labels: none given; expected --labels FILE, or --data with folders by label"
    )


def test_a_data_folder_that_is_missing_is_refused(exporting: Exporting, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder; expected a folder of images"):
        export(exporting(data=tmp_path / "none"))


@pytest.mark.parametrize(
    ("task", "thresholds", "expected"),
    [
        (Task.BINARY, (0.5, 0.5), "0.5, 0.5; a binary task takes 1, each above 0 and below 1"),
        (Task.BINARY, (1.0,), "1.0; a binary task takes 1, each above 0 and below 1"),
        (Task.MULTICLASS, (0.5,), "0.5; a multiclass task takes 0, each above 0 and below 1"),
    ],
)
def test_thresholds_that_the_task_cannot_have_are_refused(
    exporting: Exporting, task: Task, thresholds: tuple[float, ...], expected: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        export(exporting(task=task, thresholds=thresholds))

    assert str(refused.value) == f"--threshold: {expected}"


def test_a_binary_model_of_one_logit_answers_by_its_threshold(
    made: Made, exporting: Exporting, few: Path, tmp_path: Path
) -> None:
    state = torch.load(made.checkpoint, weights_only=True)
    *_, weight, bias = state
    state[weight] = state[weight][1:] - state[weight][:1]
    state[bias] = state[bias][1:] - state[bias][:1]
    torch.save(state, tmp_path / "one.pth")
    job = exporting(
        source="networks:one_logit",
        weights=tmp_path / "one.pth",
        data=few,
        task=Task.BINARY,
        thresholds=(0.9,),
        precision=Precision.FP32,
    )

    report = export(job)

    two_logits, one_logit = Classifier(made.path, variant="fp32"), Classifier(job.target)
    assert report.rows[1].agreement == 1.0
    for item in find_labelled(few):
        expected, found = two_logits(read_image(item.path)), one_logit(read_image(item.path))
        assert found.scores == pytest.approx(expected.scores, abs=1e-5)
        assert found.label == LABELS[int(found.scores[1] >= 0.9)]
        assert found.thresholds == (0.9,)


def test_a_multilabel_model_on_photos_without_labels_is_measured_by_agreement_alone(
    made: Made, exporting: Exporting, tmp_path: Path
) -> None:
    (tmp_path / "flat").mkdir()
    for i, item in enumerate(find_labelled(made.photos)):
        shutil.copy(item.path, tmp_path / "flat" / f"{i}.png")
    job = exporting(data=tmp_path / "flat", task=Task.MULTILABEL, max_drop=10.0)

    report = export(job)

    prediction = Classifier(job.target, variant="fp32")(read_image(tmp_path / "flat" / "0.png"))
    assert {row.name for row in report.rows} >= {"pytorch", "fp32"}
    assert all(row.accuracy is None and row.drop_p is None for row in report.rows)
    assert all(row.recall == {} for row in report.rows)
    assert report.rows[1].agreement == 1.0
    assert report.text().splitlines()[2].split()[:5] == ["fp32", "-", "-", "100.00", "%"]
    assert prediction.thresholds == (0.5, 0.5)
    assert prediction.present == tuple(
        label for label, score in zip(LABELS, prediction.scores, strict=True) if score >= 0.5
    )
    softmax = Classifier(made.path, variant="fp32")(read_image(tmp_path / "flat" / "0.png"))
    odds = prediction.scores / (1 - prediction.scores)
    assert softmax.scores == pytest.approx(odds / odds.sum(), abs=1e-4)


def test_a_model_file_alone_says_its_labels_task_and_preprocessing(made: Made) -> None:
    for name in ("fp32", INT8, ARM):
        model = onnx.load(made.path / f"model.{name}.onnx")

        said = {entry.key: entry.value for entry in model.metadata_props}

        assert json.loads(said["labels"]) == list(LABELS)
        assert said["task"] == "multiclass"
        assert said["preprocessing"] == (
            "shortest to 64x64 px, Pillow bilinear with antialias, centre crop 64x64 px"
        )
