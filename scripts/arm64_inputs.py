"""Write what ``arm64_probe.py`` reads: images of several kinds, and an integer file of a network.

    python scripts/arm64_inputs.py BUNDLE FOLDER

The integer file is the bundle's network as u8u8 per channel: sums of 8-bit products in 32 bits, for
which no order matters and nothing saturates. Only its layers (convolutions and products) are kept.
What lies between them, such as the sums of a residual network, onnxruntime computes in float and
rounds otherwise from one processor to the next; its results are taken from this machine.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper

from edgecls.bundle import Bundle
from edgecls.manifest import Precision
from edgecls_exporters.layers import LAYERS
from edgecls_exporters.quantization import ACTIVATIONS, Plan, calibrate, quantize
from edgecls_exporters.release import drop_unread
from edgecls_exporters.targets import Scheme, Target
from edgecls_runtime import golden
from edgecls_runtime.images import read_image
from edgecls_runtime.preprocessing import prepare

U8U8 = Target("u8u8", Precision.INT8, Scheme("u8", "u8"), providers=("CPUExecutionProvider",))
KINDS = ("jpg", "webp", "bmp", "tiff")
IMAGES = 4  # the kernel for u8u8 per channel is slow, and slower in emulation


def put_images(bundle: Bundle, folder: Path) -> None:
    """Write the golden images, and noise in other formats."""
    folder.mkdir()
    for sample in golden.read(bundle.path):
        shutil.copy(bundle.path / sample.file, folder)
    random = np.random.default_rng(0)
    noise = cv2.GaussianBlur(random.integers(0, 256, (301, 403, 3), dtype=np.uint8), (9, 9), 0)
    for kind in KINDS:
        cv2.imwrite(str(folder / f"noise.{kind}"), noise)


def u8u8(bundle: Bundle, batch: NDArray[np.uint8]) -> ModelProto:
    """Quantize the bundle's network."""
    plain = onnx.load(bundle.path / bundle.variant("fp32").file)
    facts = calibrate(plain, lambda _text: (image[np.newaxis] for image in batch), seed=0)
    return quantize(facts, U8U8, Plan())[0]


def every_integer(model: ModelProto, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Run a model here; return each quantized tensor by its name."""
    shown = ModelProto()
    shown.CopyFrom(model)
    names = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    shown.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.UINT8, None) for name in names
    )
    session = ort.InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run(names, {session.get_inputs()[0].name: batch})
    return dict(zip(names, values, strict=True))


def cut(model: ModelProto, values: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Keep a model's layers alone, each with its quantized output; return what they must be fed."""
    makers = {output: node for node in model.graph.node for output in node.output}
    rounders = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    fed = [node for node in rounders if not _is_of_layer(node, makers)]
    del model.graph.input[:], model.graph.output[:]
    for node in rounders:
        name = node.output[0]
        info = helper.make_tensor_value_info(name, TensorProto.UINT8, values[name].shape)
        (model.graph.input if node in fed else model.graph.output).append(info)
    for node in fed:
        model.graph.node.remove(node)
    drop_unread(model)
    return {node.output[0]: values[node.output[0]] for node in fed}


def _is_of_layer(rounder: NodeProto, makers: dict[str, NodeProto]) -> bool:
    """Tell whether a quantized tensor is a layer's, its activation function in between or not."""
    node = makers.get(rounder.input[0])
    while node is not None and node.op_type in ACTIVATIONS:
        node = makers.get(node.input[0])
    return node is not None and node.op_type in LAYERS


def main() -> None:
    """Fill the folder."""
    bundle, folder = Bundle.open(sys.argv[1]), Path(sys.argv[2])
    put_images(bundle, folder / "images")
    samples = golden.read(bundle.path)[:IMAGES]
    images = [read_image(bundle.path / sample.file) for sample in samples]
    batch = np.stack([prepare(image, bundle.preprocessing) for image in images])
    model = u8u8(bundle, batch)
    fed = cut(model, every_integer(model, batch))
    np.savez(folder / "u8u8.npz", **fed)  # type: ignore[arg-type]  # numpy's own
    onnx.save(model, folder / "u8u8.onnx")


if __name__ == "__main__":
    main()
