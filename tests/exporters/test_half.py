"""Half precision, specified: the same answers in half the bytes, and no overflow unseen."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper

from edgecls.errors import ExportError
from edgecls.prediction import Task
from edgecls_exporters import half
from edgecls_exporters.checkpoint import open_source
from edgecls_exporters.graph import export_graph
from edgecls_exporters.probe import quiet_session
from edgecls_exporters.ranges import extremes
from edgecls_exporters.weights import read_weights
from parts import LOUD, PREPROCESSING, SIZE, Made
from small_graphs import batches_of


def pixels(count: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def scores(model: ModelProto, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute operator by operator: a fused Identity would not round."""
    session = quiet_session(model, "none")
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in images])


@pytest.fixture
def fp32(made: Made) -> ModelProto:
    return onnx.load(made.path / "model.fp32.onnx")


@pytest.fixture
def loud(
    tmp_path: Path, checkpoint: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> ModelProto:
    """Return a network with one feature beyond what half precision holds."""
    module, weights = checkpoint
    (tmp_path / "loud_network.py").write_text(LOUD.replace("10000", "100000"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(module.parent))
    monkeypatch.syspath_prepend(str(tmp_path))
    source, given = "loud_network:network", dict(PREPROCESSING)
    original = open_source(source, 2, Task.MULTICLASS, read_weights(weights), given)
    return export_graph(original, Task.MULTICLASS)


def test_weights_are_halves_and_the_face_is_unchanged(fp32: ModelProto) -> None:
    made_half = half.to_half(fp32, {})

    kinds = {t.data_type for t in made_half.graph.initializer if len(t.dims) > 1}
    assert kinds == {TensorProto.FLOAT16}
    assert made_half.graph.input[0] == fp32.graph.input[0]
    assert made_half.graph.output[0] == fp32.graph.output[0]


def test_scores_are_those_of_fp32(fp32: ModelProto) -> None:
    images = pixels(8)
    made_half = half.to_half(fp32, extremes(fp32, batches_of(images)))

    found = scores(half.rounded(made_half), images)

    assert np.abs(found - scores(fp32, images)).max() < 1e-2


def test_the_softmax_stays_float(fp32: ModelProto) -> None:
    (softmax,) = (node for node in fp32.graph.node if node.op_type == "Softmax")

    assert softmax.name in half.float_nodes(fp32, {})


def test_a_weight_that_half_precision_cannot_hold_stays_float(fp32: ModelProto) -> None:
    (gemm,) = (node for node in fp32.graph.node if node.op_type == "Gemm")
    weight = next(t for t in fp32.graph.initializer if t.name == gemm.input[1])
    values = numpy_helper.to_array(weight) * np.float32(1e6)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))

    assert gemm.name in half.float_nodes(fp32, {})


def test_an_activation_beyond_half_precision_is_found_and_stays_float(loud: ModelProto) -> None:
    images = pixels(4)
    exact = scores(loud, images)

    blind = scores(half.rounded(half.to_half(loud, {})), images)
    guarded = half.to_half(loud, extremes(loud, batches_of(images)))

    assert not np.isfinite(blind).all()
    assert np.abs(scores(half.rounded(guarded), images) - exact).max() < 1e-2


def test_a_network_that_would_stay_float_is_refused(fp32: ModelProto) -> None:
    everything = {name: (0.0, 1e9) for node in fp32.graph.node for name in node.output}

    with pytest.raises(
        ExportError, match=r"fp16: values beyond 32752 keep .* and 100 % of the weights in float32"
    ):
        half.to_half(fp32, everything)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["tf_efficientnet_lite0", "mobilenetv3_small_100", "vit_tiny_patch16_224"]
)
def test_networks_of_timm_answer_as_in_fp32(name: str) -> None:
    torch.manual_seed(0)
    original = open_source(f"timm:{name}", 1000, Task.MULTICLASS, None, {})
    fp32 = export_graph(original, Task.MULTICLASS)
    images = pixels(4, (224, 224))

    made_half = half.to_half(fp32, extremes(fp32, batches_of(images)))

    found = scores(half.rounded(made_half), images)
    assert np.abs(found - scores(fp32, images)).max() < 1e-2
    assert made_half.ByteSize() < 0.55 * fp32.ByteSize()
