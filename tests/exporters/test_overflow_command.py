"""``edgecls overflow`` says of any int8 model how often it saturates, and what that changes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgecls.cli import main
from edgecls_exporters.interpreter import Network, fused
from edgecls_exporters.pair_probe import saturates
from edgecls_exporters.saturation_check import check
from parts import INT8, Made

# Of white pixels the first answer scores 127 + 127 + 0, of which a pair saturates at half; the
# second scores 100 + 0 + 100, of which none does.
WEIGHTS = np.array([[127, 127, 0], [100, 0, 100]], np.int8)


def colours(sign: str = "u8", shape: tuple[Any, ...] = (1, 3, 8, 8)) -> ModelProto:
    """Return a QDQ classifier of white images: float (n, 3, h, w) -> (n, 2)."""
    kind, zero = (np.uint8, 0) if sign == "u8" else (np.int8, -128)
    constants = {
        "s": np.float32(1 / 255),
        "z": kind(zero),
        "w": WEIGHTS.reshape(2, 3, 1, 1),
        "ws": np.float32(1 / 127),
        "wz": np.int8(0),
        "ys": np.float32(2 / 255),
    }
    nodes = [
        *requantized("x", "s", "pixels"),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["kernel"]),
        helper.make_node("Conv", ["pixels", "kernel"], ["raw"], name="colours"),
        *requantized("raw", "ys", "map"),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["scores"]),
    ]
    return made_of(nodes, constants, {"x": (TensorProto.FLOAT, shape)}, "scores")


def requantized(source: str, scale: str, target: str) -> list[NodeProto]:
    return [
        helper.make_node("QuantizeLinear", [source, scale, "z"], [f"{source}_integers"]),
        helper.make_node("DequantizeLinear", [f"{source}_integers", scale, "z"], [target]),
    ]


def made_of(
    nodes: list[NodeProto],
    constants: dict[str, Any],
    inputs: Mapping[str, tuple[int, tuple[Any, ...]]],
    output: str,
) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, *found) for name, found in inputs.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def stored(model: ModelProto, folder: Path) -> str:
    onnx.save(model, folder / "model.onnx")
    return str(folder / "model.onnx")


@pytest.fixture
def white(tmp_path: Path) -> Path:
    """Return a folder of three white images."""
    folder = tmp_path / "white"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((10, 12, 3), 255, np.uint8))
    return folder


@pytest.mark.parametrize("sign", ["u8", "s8"])
def test_a_foreign_model_that_saturates_is_shown_layer_by_layer(
    tmp_path: Path, white: Path, capsys: pytest.CaptureFixture[str], sign: str
) -> None:
    model = stored(colours(sign), tmp_path)

    code = main(["overflow", model, "--data", str(white), "--anywhere", "--json"])

    table = json.loads(capsys.readouterr().out)
    assert code == 1
    assert table["ok"] is False
    assert table["images"] == table["changed"] == 3
    assert table["this_cpu_saturates"] is saturates()
    (layer,) = table["layers"]
    assert layer["operator"] == "QLinearConv"
    assert layer["pairs"] == 3 * 64 * 2 * 2
    assert layer["saturated"] == 3 * 64
    assert layer["worst_pair"] == layer["largest_possible_pair"] == 2 * 255 * 127
    assert layer["output_share"] == 0.5
    # 2.0 becomes 32767 / (255 * 127), which is 129 of the 255 steps.
    assert layer["most_steps"] == 126
    assert layer["lost_share"] == pytest.approx(32003 / (64770 + 51000), abs=1e-6)


def test_the_exit_code_speaks_for_this_processor_unless_told_otherwise(
    tmp_path: Path, white: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = stored(colours(), tmp_path)

    code = main(["overflow", model, "--data", str(white)])

    text = capsys.readouterr().out
    assert code == int(saturates())
    assert "saturated   25.0000 % of pairs, in 1 of 1 layers" in text
    assert "answers     3 of 3 change; largest difference of an output 0.98" in text
    assert f"3 images of {white}, shortest side to 8, centre crop to 8x8, 0..1" in text
    assert "verdict     answers change by saturation" in text


def test_mean_and_std_reach_the_model(
    tmp_path: Path, white: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = stored(colours(), tmp_path)
    halved = ["--mean", "0", "0", "0", "--std", "2", "2", "2"]

    code = main(["overflow", model, "--data", str(white), "--anywhere", "--json", *halved])

    table = json.loads(capsys.readouterr().out)
    assert code == 0
    assert table["saturated"] == 0
    assert table["can_saturate"] is True


def test_without_data_noise_is_fed_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = stored(colours(shape=("n", 3, "h", "w")), tmp_path)

    runs = []
    for _ in range(2):
        main(["overflow", model, "--size", "8", "--images", "2", "--json"])
        runs.append(json.loads(capsys.readouterr().out))

    assert runs[0] == runs[1]
    assert runs[0]["fed"] == "2 times seeded noise, no real data: x float32 1x3x8x8"


def test_images_of_unknown_size_need_the_flag(
    tmp_path: Path, white: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = stored(colours(shape=("n", 3, "h", "w")), tmp_path)

    code = main(["overflow", model, "--data", str(white)])

    assert code == 2
    assert capsys.readouterr().err.endswith(
        "x: its shape is 1x3x?x?, ? being free; give --size for images, or a file of fixed shapes\n"
    )


def test_a_size_that_the_model_does_not_take_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = stored(colours(), tmp_path)

    code = main(["overflow", model, "--size", "9"])

    assert code == 2
    assert "--size: 9x9; x is 1x3x8x8; leave it out" in capsys.readouterr().err


def test_integers_that_another_kernel_multiplies_are_spared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = helper.make_node("MatMulInteger", ["a", "b"], ["y"])
    both = {"a": (TensorProto.INT8, (4, 6))}
    model = made_of([node], {"b": np.full((6, 3), 127, np.int8)}, both, "y")
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT32

    code = main(["overflow", stored(model, tmp_path), "--anywhere", "--json"])

    table = json.loads(capsys.readouterr().out)
    assert code == 0
    assert table["other_kernels"] == {"s8s8": 1}
    assert table["layers"] == []
    assert table["can_saturate"] is False


def test_weights_that_nothing_can_saturate_are_said_to_be_safe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = colours()
    (weights,) = (t for t in model.graph.initializer if t.name == "w")
    weights.CopyFrom(numpy_helper.from_array(WEIGHTS.reshape(2, 3, 1, 1) // 2, "w"))

    code = main(["overflow", stored(model, tmp_path), "--anywhere"])

    assert code == 0
    assert "never: no input can make a pair of any layer saturate" in capsys.readouterr().out


def test_our_own_int8_variant_is_taken_from_a_bundle_and_keeps_its_answers(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["overflow", str(made.path), "--anywhere", "--json"])

    table = json.loads(capsys.readouterr().out)
    assert code == 0
    assert table["fed"] == "8 golden samples of the bundle"
    assert [layer["operator"] for layer in table["layers"]] == ["QLinearConv"] * 2 + ["QGemm"]
    assert table["other_kernels"] == {"depthwise": 1}
    assert table["changed"] == 0


def test_run_node_by_node_a_network_answers_as_a_whole(made: Made, tmp_path: Path) -> None:
    file = made.path / f"model.{INT8}.onnx"
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8) for _ in range(4)]
    answered: list[Any] = []

    found = check(fused(file, tmp_path), [{"image": i} for i in images], answered.append)

    whole = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    # Of each image first the exact answer, then the kernel's.
    seen = answered[int(saturates()) :: 2]
    for image, (scores,) in zip(images, seen, strict=True):
        assert np.abs(scores - whole.run(None, {"image": image})[0]).max() < 1e-5
    assert found.images == 4


def test_an_fp32_model_has_nothing_to_saturate(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["overflow", f"{made.path}:fp32"])

    assert code == 0
    assert "no int8 layers, as onnxruntime runs it: nothing to saturate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.onnx"], "nowhere.onnx: no such file; expected an ONNX file or a bundle"),
        (["nowhere.bundle:int8"], "no such file; expected an ONNX file or a bundle"),
    ],
)
def test_a_model_that_is_not_there_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["overflow", *arguments])

    assert code == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_no_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.onnx").write_text("not a model", encoding="utf-8")

    code = main(["overflow", str(tmp_path / "model.onnx")])

    found = capsys.readouterr().err
    assert code == 2
    assert f"{tmp_path / 'model.onnx'}: " in found
    assert found.endswith("; expected an ONNX file that onnxruntime runs\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--mean", "0", "0", "0"],
            "--mean: a bundle declares its own preprocessing; leave it out",
        ),
        (["--std", "1", "0", "1"], "--std: [1.0, 0.0, 1.0]; expected values above 0"),
        (["--size", "1", "2", "3"], "--size: [1, 2, 3]; expected one or two lengths"),
        (["--data", "nowhere"], "nowhere: no such folder; expected a folder of images"),
    ],
)
def test_a_flag_that_cannot_be_is_refused(
    made: Made, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["overflow", str(made.path), *arguments])

    assert code == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_an_image_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "note.txt").write_text("no image", encoding="utf-8")

    code = main(["overflow", str(made.path), "--data", str(tmp_path)])

    found = capsys.readouterr().err
    assert code == 2
    assert "skipped: " in found
    assert f"{tmp_path}: none of its files is an image" in found


def test_a_graph_with_control_flow_is_refused() -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "inner",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    node = helper.make_node("If", ["c"], ["z"], name="choice", then_branch=inner, else_branch=inner)
    model = made_of([node], {}, {"x": (1, (1,)), "c": (TensorProto.BOOL, ())}, "z")

    with pytest.raises(ValueError, match="If 'choice': control flow; expected a graph without"):
        Network(model)
