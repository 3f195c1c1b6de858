"""The device: a bundle, a camera and outputs become a station.

Names are imported on first use; importing this package loads neither OpenCV nor ONNX Runtime.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecls_runtime.cameras import open_camera
    from edgecls_runtime.classifier import Classifier
    from edgecls_runtime.decision import Rule
    from edgecls_runtime.images import read_image
    from edgecls_runtime.opening import open_classifier
    from edgecls_runtime.station import Station

__all__ = ["Classifier", "Rule", "Station", "open_camera", "open_classifier", "read_image"]

_HOME = {
    "Classifier": "classifier",
    "Rule": "decision",
    "Station": "station",
    "open_camera": "cameras",
    "open_classifier": "opening",
    "read_image": "images",
}


def __getattr__(name: str) -> object:
    """Import a public name from the file that defines it."""
    if name not in _HOME:
        raise AttributeError(f"module 'edgecls_runtime' has no attribute {name!r}")
    return getattr(import_module(f"edgecls_runtime.{_HOME[name]}"), name)
