# /// script
# dependencies = [
#   "onnxruntime-openvino==1.24.1", "numpy==2.4.6", "opencv-python-headless==5.0.0.93",
# ]
# ///
"""Ours on OpenVINO: the same bundle and code, in an environment with onnxruntime-openvino.

What ``edgecls tune`` chooses where it is the fastest. The package replaces onnxruntime and runs on
AMD's processors too. As OpenVINO itself does, an engine of its own rounds floats to bfloat16.
"""

from edgecls_runtime.providers import openvino
from peers import edgecls
from peers.model import Engine, Model

BFLOAT16 = " bfloat16"
ENGINES = ("int8-openvino", "int8-openvino bfloat16", "fp32", "fp32 bfloat16")


def prepare(model: Model, engine: str) -> None:
    """Check that the bundle holds the variant."""
    edgecls.prepare(model, engine.removesuffix(BFLOAT16))


def open(model: Model, engine: str, threads: int) -> Engine:
    """Load a variant; OpenVINO has threads of its own."""
    provider = openvino.open(threads=threads, bfloat16=engine.endswith(BFLOAT16))
    return edgecls.opened(model, engine.removesuffix(BFLOAT16), provider)
