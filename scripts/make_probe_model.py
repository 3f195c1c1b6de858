"""Write the model that ``edgecls devices`` runs on each provider: the mean of each channel.

    python scripts/make_probe_model.py runtime/edgecls_runtime/probe.onnx

Its answer is known without a network, tells red from blue, and takes every step of a bundle's
model: bytes become numbers, channels move, a convolution answers.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

SIDE = 8


def model() -> ModelProto:
    """Return it: image uint8 (batch, 8, 8, 3) in, float scores 0..1 (batch, 3) out."""
    kernel = np.zeros((3, 3, SIDE, SIDE), np.float32)
    for channel in range(3):
        kernel[channel, channel] = 1 / SIDE**2
    # No Cast: Qualcomm's NPU takes one of bytes and gives something else, silently.
    nodes = [
        helper.make_node("Transpose", ["image"], ["moved"], perm=[0, 3, 1, 2]),
        helper.make_node("DequantizeLinear", ["moved", "scale", "zero"], ["pixels"]),
        helper.make_node("Conv", ["pixels", "kernel"], ["means"]),
        helper.make_node("Flatten", ["means"], ["scores"]),
    ]
    constants = {"scale": np.float32(1 / 255), "zero": np.uint8(0), "kernel": kernel}
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3])
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "probe", [image], [scores], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


if __name__ == "__main__":
    onnx.save(model(), Path(sys.argv[1]))
