# /// script
# dependencies = [
#   "onnxruntime-openvino==1.24.1", "numpy==2.4.6", "opencv-python-headless==5.0.0.93",
# ]
# ///
"""Ours on OpenVINO: the same bundle and code, in an environment with onnxruntime-openvino.

What ``edgecls tune`` chooses where it is the fastest. The package replaces onnxruntime and runs on
AMD's processors too.
"""

from edgecls_runtime.providers import openvino
from peers import edgecls
from peers.model import Engine, Model

ENGINES = ("int8-openvino", "fp32")
prepare = edgecls.prepare


def open(model: Model, engine: str, threads: int) -> Engine:
    """Load a variant; OpenVINO has threads of its own."""
    return edgecls.opened(model, engine, openvino.open(threads=threads))
