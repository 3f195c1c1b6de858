"""The classifier, specified: the bundle's answers, wherever they are asked for."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgecls import Frame
from edgecls.bundle import Bundle, seal
from edgecls.errors import BundleError, ConfigError, ProviderError
from edgecls_runtime import Classifier, golden, read_image
from edgecls_runtime.execution_provider import ExecutionProvider
from parts import ARM, INT8, Made, write_manifest


@pytest.mark.parametrize("variant", ["fp32", INT8, ARM])
def test_photos_of_parts_are_told_apart(made: Made, variant: str) -> None:
    classify = Classifier(made.path, variant=variant)

    answers = {
        label: [classify(read_image(file)).label for file in (made.photos / label).iterdir()]
        for label in classify.bundle.labels
    }

    for label, found in answers.items():
        assert found.count(label) >= 0.9 * len(found)


def test_a_frame_an_image_and_a_batch_get_the_same_answer(made: Made) -> None:
    classify = Classifier(made.path)
    images = [read_image(file) for file in sorted((made.photos / "good").iterdir())[:3]]

    batch = classify.batch(images)

    for image, expected in zip(images, batch, strict=True):
        assert np.allclose(classify(image).scores, expected.scores, atol=1e-6)
        assert np.array_equal(classify(Frame(image, 0, 0.0)).scores, classify(image).scores)


def test_the_golden_samples_pass_here(made: Made) -> None:
    for variant in Bundle.open(made.path).variants:
        checks = golden.check(Classifier(made.path, variant=variant.name))

        assert len(checks) == 8
        assert all(check.passed for check in checks)


def test_a_changed_model_under_a_new_hash_is_caught_by_the_golden_samples(
    made: Made, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(made.path, tmp_path / "forged.bundle"))
    raw = (bundle / "model.fp32.onnx").read_bytes()
    weight = np.float32(Bundle.open(bundle).preprocessing.mean[0] * 255).tobytes()
    assert raw.count(weight) > 0
    forged = raw.replace(weight, np.float32(30.0).tobytes())
    (bundle / "model.fp32.onnx").write_bytes(forged)
    seal(bundle, Bundle.open(made.path).manifest)

    checks = golden.check(Classifier(bundle, variant="fp32"))

    assert not all(check.passed for check in checks)


def test_a_golden_score_that_is_no_number_never_passes() -> None:
    assert not golden.Check("a.png", float("nan"), 0.0, 1.0).passed


def test_a_model_that_does_not_fit_its_manifest_is_refused(made: Made, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(made.path, tmp_path / "odd.bundle"))
    table = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    for key, value, message in (
        ("size", [32, 32], "preprocessing makes uint8 (n, 32, 32, 3); export it again"),
        ("labels", ["good", "scratch", "dent"], "the manifest has 3 labels; export it again"),
        ("labels", ["scratch", "good"], "has other labels than the manifest; export it again"),
    ):
        changed = json.loads(json.dumps(table))
        (changed["preprocessing"] if key == "size" else changed)[key] = value
        write_manifest(bundle, changed)

        with pytest.raises(BundleError, match=re.escape(message)):
            Classifier(bundle)


def test_a_provider_that_is_not_here_is_refused_and_never_replaced(made: Made) -> None:
    with pytest.raises(ProviderError, match=r"CUDAExecutionProvider: not in onnxruntime"):
        Classifier(made.path, ExecutionProvider("CUDAExecutionProvider"))
    with pytest.raises(ConfigError, match="edgecls.providers: no kind 'abacus'; known kinds are "):
        Classifier(made.path, "abacus")


def test_a_file_that_is_no_model_is_refused_in_one_line(made: Made, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(made.path, tmp_path / "odd.bundle"))
    (bundle / "model.fp32.onnx").write_bytes(b"not a model")
    seal(bundle, Bundle.open(made.path).manifest)

    with pytest.raises(ProviderError, match=r"model.fp32.onnx: .*") as caught:
        Classifier(bundle, variant="fp32")

    assert "\n" not in str(caught.value)
