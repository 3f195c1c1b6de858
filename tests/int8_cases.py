"""One-operator int8 models drawn from seeds, run here or on an emulated processor."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

Array = NDArray[Any]
EMULATOR = shutil.which("qemu-x86_64-static")
SIGNS: dict[str, type[np.integer[Any]]] = {"u8": np.uint8, "s8": np.int8}


@dataclass(frozen=True)
class Case:
    """A model of one node, by its operator and what is special about it."""

    name: str
    model: ModelProto
    feeds: dict[str, Array]

    @property
    def values(self) -> list[Array | None]:
        """Return the node's inputs in order, None where an optional one is left out."""
        known = {t.name: numpy_helper.to_array(t) for t in self.model.graph.initializer}
        known |= self.feeds
        return [known[name] if name else None for name in self.model.graph.node[0].input]


def drawn(random: np.random.Generator, sign: str, shape: tuple[int, ...]) -> Array:
    """Draw activations that drive pairs over the edge: the upper half of their range."""
    values = random.integers(120, 256, shape)
    return (values - (128 if sign == "s8" else 0)).astype(SIGNS[sign])


def weighted(random: np.random.Generator, sign: str, shape: tuple[int, ...]) -> Array:
    low = -128 if sign == "s8" else 0
    return random.integers(low, low + 256, shape).astype(SIGNS[sign])


def one(
    name: str,
    node: onnx.NodeProto,
    feeds: dict[str, Array],
    constants: dict[str, Any],
    output: int,
) -> Case:
    graph = helper.make_graph(
        [node],
        "case",
        [
            helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for k, v in feeds.items()
        ],
        [helper.make_tensor_value_info("y", output, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return Case(name, helper.make_model(graph, opset_imports=opsets, ir_version=9), feeds)


def convolutions(signs: tuple[str, str]) -> Iterator[Case]:
    """Odd channels and reductions, groups, strides, pads, dilations, and more than one block."""
    plain: dict[str, Any] = {"group": 1, "pads": [1, 1, 1, 1]}
    shapes: dict[str, tuple[int, int, int, dict[str, Any]]] = {
        "3x3": (3, 5, 3, plain),
        "3x3 of 4 channels": (4, 8, 3, plain),
        "1x1": (8, 8, 1, {}),
        "1x1 of odd channels, strided": (7, 9, 1, {"strides": [2, 2]}),
        "1x1 of 601 channels": (601, 20, 1, {}),
        "strided, padded on one side": (3, 5, 3, {"strides": [2, 1], "pads": [0, 1, 1, 0]}),
        "dilated": (33, 17, 3, {"dilations": [2, 2]}),
        "SAME_UPPER": (5, 4, 4, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        "SAME_LOWER": (5, 4, 4, {"auto_pad": "SAME_LOWER"}),
        "3x3 of 64 channels": (64, 32, 3, plain),
        "2 groups of 3": (6, 6, 3, plain | {"group": 2}),
        "4 groups of 4": (16, 16, 3, plain | {"group": 4}),
        "depthwise": (16, 16, 3, plain | {"group": 16}),
        "depthwise, two outputs a channel": (8, 16, 3, plain | {"group": 8}),
        "one channel": (1, 4, 3, plain),
    }
    for number, (name, (inputs, outputs, side, given)) in enumerate(shapes.items()):
        random = np.random.default_rng((1, number))
        images = drawn(random, signs[0], (2, inputs, 8, 9))
        kernel = weighted(random, signs[1], (outputs, inputs // given.get("group", 1), side, side))
        constants = {
            "xs": np.float32(0.5),
            "xz": images.dtype.type(5),
            "w": kernel,
            "ws": random.uniform(0.5, 1, outputs).astype(np.float32),
            "wz": np.full(outputs, 0 if signs[1] == "s8" else 128, kernel.dtype),
            "ys": np.float32(80 * kernel[0].size ** 0.5),
            "yz": images.dtype.type(128 if signs[0] == "u8" else 0),
            "b": random.integers(-9999, 9999, outputs, np.int32),
        }
        node = helper.make_node("QLinearConv", ["x", *list(constants)], ["y"], **given)
        kind = helper.np_dtype_to_tensor_dtype(images.dtype)
        yield one(f"QLinearConv {name}", node, {"x": images}, constants, kind)


def products(signs: tuple[str, str]) -> Iterator[Case]:
    """Single rows, odd reductions, more than one block of the reduction, constants or not."""
    for rows, inputs, outputs, constant in product((1, 7), (5, 30, 701), (1, 33), (True, False)):
        random = np.random.default_rng((2, rows, inputs, outputs))
        first, second = (
            drawn(random, signs[0], (rows, inputs)),
            weighted(random, signs[1], (inputs, outputs)),
        )
        fixed = {"az": first.dtype.type(3), "bz": second.dtype.type(0)}
        feeds = {"a": first} | ({} if constant else {"b": second})
        name = f"MatMulInteger {rows}x{inputs}x{outputs}{' of a constant' * constant}"
        node = helper.make_node("MatMulInteger", ["a", "b", "az", "bz"], ["y"])
        constants = fixed | ({"b": second} if constant else {})
        yield one(name, node, feeds, constants, TensorProto.INT32)


def batches() -> Iterator[Case]:
    """Products over batches, of one weight or of a weight each, u8 times s8."""
    random = np.random.default_rng(3)
    for shape in ((31, 9), (3, 31, 9)):
        first, second = drawn(random, "u8", (3, 4, 31)), weighted(random, "s8", shape)
        scales = {"as": np.float32(1), "az": np.uint8(3), "bs": np.float32(1), "bz": np.int8(2)}
        to = {"ys": np.float32(700), "yz": np.uint8(100)}
        name = f"of {len(shape)} axes"
        node = helper.make_node("MatMulInteger", ["a", "b"], ["y"])
        yield one(f"MatMulInteger {name}", node, {"a": first}, {"b": second}, TensorProto.INT32)
        node = helper.make_node(
            "MatMulIntegerToFloat",
            ["a", "b", "as", "bs", "az", "bz", "c"],
            ["y"],
            domain="com.microsoft",
        )
        fixed = {"b": second, **scales, "c": np.arange(9, dtype=np.float32)}
        yield one(f"MatMulIntegerToFloat {name}", node, {"a": first}, fixed, TensorProto.FLOAT)
        inputs = ["a", "as", "az", "b", "bs", "bz", "ys", "yz"]
        node = helper.make_node("QLinearMatMul", inputs, ["y"])
        fixed = {"b": second, **scales, **to}
        yield one(f"QLinearMatMul {name}", node, {"a": first}, fixed, TensorProto.UINT8)


def gemms(signs: tuple[str, str]) -> Iterator[Case]:
    """Each operand either way round, to floats and to bytes."""
    turns = ((0, 0, 3, 31, 9), (0, 1, 3, 31, 9), (1, 1, 5, 64, 17), (0, 1, 1, 700, 10))
    for trans_a, trans_b, rows, inputs, outputs in turns:
        random = np.random.default_rng((4, rows, inputs))
        first = drawn(random, signs[0], (inputs, rows) if trans_a else (rows, inputs))
        second = weighted(random, signs[1], (outputs, inputs) if trans_b else (inputs, outputs))
        constants = {
            "as": np.float32(0.5),
            "az": first.dtype.type(3),
            "b": second,
            "bs": random.uniform(0.5, 1, outputs).astype(np.float32),
            "bz": np.zeros(outputs, second.dtype),
            "c": random.integers(-999, 999, outputs, np.int32),
        }
        if signs[0] == "u8":
            yield _gemm(trans_a, trans_b, first, constants | {"ys": np.float32(900)})
        yield _gemm(trans_a, trans_b, first, constants)


def _gemm(trans_a: int, trans_b: int, first: Array, constants: dict[str, Any]) -> Case:
    to_bytes = "ys" in constants
    constants = constants | ({"yz": first.dtype.type(99)} if to_bytes else {})
    node = helper.make_node(
        "QGemm",
        ["a", *list(constants)],
        ["y"],
        domain="com.microsoft",
        transA=trans_a,
        transB=trans_b,
    )
    kind = helper.np_dtype_to_tensor_dtype(first.dtype) if to_bytes else TensorProto.FLOAT
    name = f"QGemm {trans_a}{trans_b} {first.shape}{' to bytes' * to_bytes}"
    return one(name, node, {"a": first}, constants, kind)


ONE_PROCESSOR = """
import sys
sys.path[:0] = {paths!r}
import json
import numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.log_severity_level = 4
for number in range({count}):
    name = {folder!r} + "/" + str(number)
    runner = ort.InferenceSession(name + ".onnx", options, providers=["CPUExecutionProvider"])
    with np.load(name + ".npz") as feeds:
        np.save(name + ".npy", runner.run(None, dict(feeds))[0])
"""


def outputs_of(cases: list[Case], folder: Path, processor: str = "") -> list[Array]:
    """Run every case in one process of its own, on this processor or on an emulated one."""
    for number, case in enumerate(cases):
        onnx.save(case.model, folder / f"{number}.onnx")
        np.savez(folder / f"{number}.npz", **case.feeds)  # type: ignore[arg-type]  # numpy's own
    paths = [path for path in sys.path if path.endswith("site-packages")]
    script = ONE_PROCESSOR.format(paths=paths, count=len(cases), folder=str(folder))
    emulator = [str(EMULATOR), "-cpu", processor] if processor else []
    python = str(Path(sys.executable).resolve())
    subprocess.run(
        [*emulator, python, "-c", script],
        check=True,
        env={"OMP_NUM_THREADS": "1"},
        timeout=600,
        stderr=subprocess.PIPE,
    )
    return [np.load(folder / f"{number}.npy") for number in range(len(cases))]


def probed_on(processor: str) -> bool:
    """Return what the probe says on an emulated processor."""
    script = (
        "import sys, json; sys.path[:0] = json.loads(sys.argv[1]);"
        "from edgecls_exporters.pair_probe import saturates; print(saturates())"
    )
    python = str(Path(sys.executable).resolve())
    done = subprocess.run(
        [str(EMULATOR), "-cpu", processor, python, "-c", script, json.dumps(sys.path)],
        check=True,
        env={"OMP_NUM_THREADS": "1"},
        timeout=600,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() == "True"
