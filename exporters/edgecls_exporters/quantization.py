"""fp32 ONNX -> int8 ONNX (static QDQ), right on every processor.

Activations are u8 with a zero point, weights s8 per output channel, ranges are the minima and
maxima on calibration images, found one image at a time. Then pairs of products are bounded
(``saturation``) and biases corrected (``bias_correction``). Scores stay float: a softmax rounded to
8 bits cannot be trusted with a threshold.
"""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from edgecls.manifest import Preprocessing
from edgecls.progress import track
from edgecls_exporters import bias_correction, saturation
from edgecls_exporters.graph import INPUT
from edgecls_runtime.images import Labelled, readable
from edgecls_runtime.preprocessing import prepare

FLOAT_HEADS = ("Softmax", "Sigmoid")


def quantize(model: ModelProto, images: list[Labelled], preprocessing: Preprocessing) -> ModelProto:
    """Quantize a graph of ``graph.export_graph``.

    Args:
        model: float32; stays as it is.
        images: For calibration; prepared by the runtime's own code.
        preprocessing: As declared in the bundle.

    """
    heads = [node.name for node in model.graph.node if node.op_type in FLOAT_HEADS]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        logging.getLogger().setLevel(logging.ERROR)  # it advises a pass that fails with onnx 1.23
        quantize_static(
            source,
            target,
            _Reader(_prepared(images, preprocessing, "int8: calibrating")),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=heads,
        )
        quantized = onnx.load(target)
    largest = saturation.largest_activations(
        quantized, _prepared(images, preprocessing, "int8: bounding pairs of products")
    )
    saturation.bound(quantized, model, largest)
    bias_correction.correct(
        quantized, model, _prepared(images, preprocessing, "int8: correcting biases")
    )
    return quantized


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """Hands calibration images over one at a time, so that memory does not grow with them."""

    def __init__(self, batches: Iterator[NDArray[np.uint8]]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def _prepared(
    images: list[Labelled], preprocessing: Preprocessing, text: str
) -> Iterator[NDArray[np.uint8]]:
    tracked = track(images, text, len(images))
    for _, image in readable(tracked, []):
        yield prepare(image, preprocessing)[np.newaxis]
