"""A variant for each target: made from images, or left out with a reason."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from edgecls.manifest import Preprocessing
from edgecls.prediction import Task
from edgecls_exporters.budget import Budget
from edgecls_exporters.splits import Split
from edgecls_exporters.variants import Material, make, prepared
from edgecls_runtime.images import Labelled
from small_graphs import LABELS, SIDE, convolutions, pictures, scores_of

SMALL = Preprocessing((SIDE, SIDE), (SIDE, SIDE), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    folder: Path = tmp_path_factory.mktemp("pictures")
    data = []
    for number, image in enumerate(pictures(80)):
        path = folder / f"{number:02}.png"
        cv2.imwrite(str(path), image[..., ::-1])
        data.append(Labelled(path, LABELS[number % len(LABELS)]))
    return data


@pytest.fixture(scope="module")
def graph() -> ModelProto:
    return convolutions()


def material(graph: ModelProto, images: Split, budget: Budget) -> Material:
    return Material(graph, SMALL, images, LABELS, Task.MULTICLASS, (), ("good",), budget, 0)


def divided(files: list[Labelled], calibrate: int, choose: int, measure: int) -> Split:
    begin = calibrate + choose
    return Split(files[:calibrate], files[calibrate:begin], files[begin : begin + measure], 0)


@pytest.mark.parametrize(
    ("parts", "points", "reason"),
    [
        ((0, 0, 0), 1.0, "needs images to calibrate and to measure on; give --data DIR"),
        ((0, 0, 3), 1.0, "3 images are too few to divide; give images until 100 are measured"),
        ((4, 0, 9), 20.0, "13 images are too few to divide; give images until 5 are measured"),
        (
            (10, 10, 40),
            1.0,
            (
                "measured on 40 images, where one answer is 2.5 points; the budget is 1: give "
                "images until 100 are measured, or a larger --max-drop"
            ),
        ),
        (
            (10, 10, 19),
            5.0,
            (
                "measured on 19 images, where one answer is 5.3 points; the budget is 5: give "
                "images until 20 are measured, or a larger --max-drop"
            ),
        ),
    ],
)
def test_too_few_images_make_no_variant_and_the_reason_says_how_many_are_needed(
    files: list[Labelled],
    graph: ModelProto,
    parts: tuple[int, int, int],
    points: float,
    reason: str,
) -> None:
    given = material(graph, divided(files, *parts), Budget(points))

    made, failed = make(given, ("x86-avx2", "webgpu"))

    assert made == []
    assert failed == {"int8-x86-avx2": reason, "fp16-webgpu": reason}


def test_what_nobody_asked_for_is_told_once_that_it_needs_images(
    files: list[Labelled], graph: ModelProto
) -> None:
    given = material(graph, divided(files, 0, 0, 0), Budget(1.0))

    made, failed = make(given, ("x86-avx2", "arm", "tensorrt"), asked=False)

    assert made == []
    assert failed == {"int8": "needs images to calibrate and to measure on; give --data DIR"}


def test_half_precision_alone_pays_for_no_facts_that_only_integers_need(
    files: list[Labelled], graph: ModelProto, capsys: pytest.CaptureFixture[str]
) -> None:
    given = material(graph, divided(files, 20, 40, 20), Budget(10.0))

    (alone,), failed = make(given, ("webgpu",))

    told = capsys.readouterr().err
    (_, beside), _ = make(given, ("x86-avx2", "webgpu"))
    told_beside = capsys.readouterr().err
    needless = ("histograms", "means", "covariances", "answering to choose by")
    assert failed == {}
    assert "calibrating: ranges" in told
    assert not any(text in told for text in needless)
    assert all(text in told_beside for text in needless)
    assert alone.model == beside.model


def test_a_target_that_takes_fp32_makes_nothing_more(
    files: list[Labelled], graph: ModelProto
) -> None:
    assert make(material(graph, divided(files, 8, 8, 20), Budget(5.0)), ("rockchip",)) == ([], {})
    assert make(material(graph, divided(files, 0, 0, 0), Budget(5.0)), ("rockchip",)) == ([], {})


def test_no_target_makes_nothing_and_looks_at_no_image(graph: ModelProto) -> None:
    missing = [Labelled(Path("missing.png"), "good")] * 20

    assert make(material(graph, Split(missing, missing, missing, 0), Budget(5.0)), ()) == ([], {})


def test_each_target_gets_its_variant(files: list[Labelled], graph: ModelProto) -> None:
    given = material(graph, divided(files, 20, 40, 20), Budget(10.0))

    made, failed = make(given, ("x86-avx2", "rockchip", "webgpu"))

    assert failed == {}
    assert [one.name for one in made] == ["int8-x86-avx2", "fp16-webgpu"]
    int8, fp16 = made
    assert int8.quantization is not None
    assert (int8.quantization.variant, int8.quantization.target) == ("int8-x86-avx2", "x86-avx2")
    assert fp16.quantization is None
    images = np.stack(list(prepared(given.images.measure, SMALL)))
    wanted = scores_of(graph, images)
    for one, most in ((int8, 0.3), (fp16, 0.02)):
        assert np.abs(scores_of(one.model, images) - wanted).max() < most, one.name
    halves = {t.data_type for t in fp16.model.graph.initializer if len(t.dims) > 1}
    assert TensorProto.FLOAT16 in halves


def test_a_network_that_its_quantizer_refuses_leaves_the_other_targets_alone(
    files: list[Labelled], graph: ModelProto
) -> None:
    strange = ModelProto()
    strange.CopyFrom(graph)
    for node in strange.graph.node:
        if node.op_type == "Cast":  # qnn's face wants to find it
            node.op_type = "CastLike"
            del node.attribute[:]
            node.input.append("mean")

    made, failed = make(
        material(strange, divided(files, 12, 20, 20), Budget(15.0)), ("qnn", "x86-avx2")
    )

    assert [one.name for one in made] == ["int8-x86-avx2"]
    assert failed == {
        "int8-qnn": "integer face: planes goes to CastLike; expected one Cast; was this graph "
        "exported by us?"
    }
