"""Qualcomm's NPU (Hexagon) and graphics, through the plug-in that Qualcomm ships.

On x86-64 Linux the package brings a simulator of the NPU: right for answers, not for speed. It
takes variants made with ``--target qnn`` or ``qnn-u16``.

Source:
    onnxruntime.ai/docs/execution-providers/QNN-ExecutionProvider.html, "Configuration Options";
    EP-Context-Design.html for what is kept (``ep.context_enable``).
"""

import platform
from dataclasses import replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime import user_cache
from edgecls_runtime.engine_cache import CachedProvider
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.protocols import Session

NAME, PACKAGE, MODULE = "QNNExecutionProvider", "onnxruntime-qnn", "onnxruntime_qnn"
DEVICES = ("/dev/adsprpc-smd", "/dev/fastrpc-cdsp", "dma_heap")
WRITES = ("cache",)
# A model whose one node is the compiled network, as onnxruntime writes it.
CONTEXT = "context.onnx"
# Snapdragon 8 Gen 2 (SM8550), by Qualcomm's own numbers: what the simulator is told to be. Without
# a processor it refuses what a float stands in.
SIMULATED = (43, 73)


class Backend(StrEnum):
    """The hardware (``backend_path``, as the package names its library)."""

    HTP = "htp"
    GPU = "gpu"


class Performance(StrEnum):
    """How the NPU trades speed for power (``htp_performance_mode``)."""

    DEFAULT = "default"
    BURST = "burst"
    HIGH_PERFORMANCE = "high_performance"
    SUSTAINED = "sustained_high_performance"
    BALANCED = "balanced"
    LOW_BALANCED = "low_balanced"
    HIGH_POWER_SAVER = "high_power_saver"
    POWER_SAVER = "power_saver"
    LOW_POWER_SAVER = "low_power_saver"


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    backend: Backend = Backend.HTP,
    performance: Performance = Performance.DEFAULT,
    soc_model: int = 0,
    htp_arch: int = 0,
    vtcm_mb: int = 0,
    effort: int = 0,
    fp16: bool = True,
    cache: Path | None = None,
) -> CachedProvider:
    """Run on the NPU.

    Args:
        backend: The hardware.
        performance: How the NPU trades speed for power.
        soc_model: Qualcomm's number of the processor (``soc_model``); 0 leaves it to the driver,
            and on the simulator takes 43, a Snapdragon 8 Gen 2.
        htp_arch: Generation of the NPU (``htp_arch``), such as 73; 0 as for ``soc_model``.
        vtcm_mb: Memory beside the NPU that may be taken, MB (``vtcm_mb``); 0 leaves it to it.
        effort: 0 to 3 (``htp_graph_finalization_optimization_mode``): a higher one loads longer and
            may run faster.
        fp16: Whether float operators run in half precision (``enable_htp_fp16_precision``).
        cache: Folder of the networks that were compiled for the NPU, its context binaries; by
            default in the user's cache.

    """
    _check(soc_model, htp_arch, vtcm_mb, effort)
    # The batch is fixed: the NPU takes no free dimension.
    provider = ExecutionProvider(
        NAME,
        {
            **_library(backend),
            "htp_performance_mode": performance,
            "htp_graph_finalization_optimization_mode": str(effort),
            "enable_htp_fp16_precision": "1" if fp16 else "0",
            **_processor(soc_model, htp_arch),
            **({"vtcm_mb": str(vtcm_mb)} if vtcm_mb else {}),
        },
        package=PACKAGE,
        plugin=MODULE,
        device="gpu" if backend is Backend.GPU else "",
        batch=1,
    )
    folder = cache or user_cache.folder("qnn")
    return CachedProvider(provider, folder, _keeping, _load_kept)


def _keeping(provider: ExecutionProvider, folder: Path) -> ExecutionProvider:
    kept = {"ep.context_enable": "1", "ep.context_file_path": str(folder / CONTEXT)}
    return replace(provider, config=provider.config | kept)


def _load_kept(provider: ExecutionProvider, _model: Path, folder: Path) -> Session:
    return provider.load(folder / CONTEXT)


def _library(backend: Backend) -> dict[str, str]:
    try:
        package = import_module(MODULE)
    except ImportError:
        return {}  # loading says it
    path = package.get_qnn_htp_path() if backend is Backend.HTP else package.get_qnn_gpu_path()
    return {"backend_path": str(path)}


def _processor(soc_model: int, htp_arch: int) -> dict[str, str]:
    if not soc_model and not htp_arch and platform.machine() in ("x86_64", "AMD64"):
        soc_model, htp_arch = SIMULATED
    given = {"soc_model": soc_model, "htp_arch": htp_arch}
    return {key: str(value) for key, value in given.items() if value}


def _check(soc_model: int, htp_arch: int, vtcm_mb: int, effort: int) -> None:
    given = {"soc_model": soc_model, "htp_arch": htp_arch, "vtcm_mb": vtcm_mb}
    for key, value in given.items():
        if value < 0:
            raise ConfigError(f"qnn: {key} {value}; expected 0 or more")
    if not 0 <= effort <= 3:
        raise ConfigError(f"qnn: effort {effort}; expected 0 to 3")
