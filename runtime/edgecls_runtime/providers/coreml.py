"""Apple's Neural Engine, graphics and processor, through Core ML: in onnxruntime for macOS.

The format is ``MLProgram``: in the older one no operator of half precision is taken.

Source:
    onnxruntime.ai/docs/execution-providers/CoreML-ExecutionProvider.html, "Configuration Options
    (NEW API)". **Untested**: there was no Mac.
"""

from enum import StrEnum
from pathlib import Path

from edgecls_runtime.execution_provider import ExecutionProvider


class Units(StrEnum):
    """What Core ML may use (``MLComputeUnits``)."""

    ALL = "all"
    NEURAL_ENGINE = "neural-engine"
    GPU = "gpu"
    CPU = "cpu"


# By Core ML's own names; but for ``all`` each has the processor beside it.
NAMES = {
    Units.ALL: "ALL",
    Units.NEURAL_ENGINE: "CPUAndNeuralEngine",
    Units.GPU: "CPUAndGPU",
    Units.CPU: "CPUOnly",
}


def open(*, units: Units = Units.ALL, cache: Path | None = None) -> ExecutionProvider:
    """Run on Core ML.

    Args:
        units: What Core ML may use. Which of them it does use it does not tell.
        cache: Folder that keeps the compiled model (``ModelCacheDirectory``); by default it is
            compiled each time it is loaded.

    """
    options = {
        "ModelFormat": "MLProgram",
        "MLComputeUnits": NAMES[units],
        "RequireStaticInputShapes": "1",
    }
    if cache is not None:
        options["ModelCacheDirectory"] = str(cache)
    return ExecutionProvider(
        "CoreMLExecutionProvider",
        options,
        elsewhere="only onnxruntime's packages for macOS have it",
        batch=1,
    )
