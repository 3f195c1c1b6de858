# /// script
# dependencies = [
#   "onnxruntime==1.32.0", "numpy==2.4.6", "opencv-python-headless==5.0.0.93", "pillow==13.0.0",
# ]
# ///
"""Plain onnxruntime on the fp32 ONNX file, with each common way to resize: the baseline."""

from dataclasses import replace

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from peers import pixels
from peers.model import Engine, Floats, Model

ENGINES = ("fp32",)


def prepare(model: Model, engine: str) -> None:
    """Nothing: it reads the ONNX file."""


def open(model: Model, engine: str, threads: int) -> Engine:
    """Load with the defaults, but for the threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.folder / "model.onnx", options)

    def network(floats: NDArray[np.generic]) -> Floats:
        (logits,) = session.run(None, {"image": floats})
        return np.asarray(logits[0], np.float32)

    bare = Engine(np.asarray, network, f"onnxruntime {ort.__version__}")
    return replace(bare, pipelines=pixels.by_hand(model, bare, pixels.ALL))
