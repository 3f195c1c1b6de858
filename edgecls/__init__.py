"""The contract between the machine that exports a classifier and the device that runs it.

Names are imported on first use, so that ``import edgecls`` (and ``edgecls --help``) stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecls.bundle import Bundle
    from edgecls.frame import Frame
    from edgecls.manifest import Preprocessing
    from edgecls.prediction import Prediction, Task
    from edgecls.verdict import Look, Outcome, Verdict

__all__ = ["Bundle", "Frame", "Look", "Outcome", "Prediction", "Preprocessing", "Task", "Verdict"]
__version__ = "0.1.0"

_HOME = {
    "Bundle": "bundle",
    "Frame": "frame",
    "Look": "verdict",
    "Outcome": "verdict",
    "Prediction": "prediction",
    "Preprocessing": "manifest",
    "Task": "prediction",
    "Verdict": "verdict",
}


def __getattr__(name: str) -> object:
    """Import a public name from the file that defines it."""
    if name not in _HOME:
        raise AttributeError(f"module 'edgecls' has no attribute {name!r}")
    return getattr(import_module(f"edgecls.{_HOME[name]}"), name)
