"""NVIDIA's TensorRT, on Jetson and on graphics cards; what it does not take runs on CUDA.

It compiles a model into an engine, for minutes, once for each card, version and setting. Engines
are kept in a folder, and ``edgecls warm`` builds them ahead. The batch is fixed, so that an engine
is built when the model is loaded and never at a frame.

Source:
    onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html, "Configurations".
    **Untested**: there was no card.
"""

from dataclasses import replace
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime import user_cache
from edgecls_runtime.engine_cache import CachedProvider
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.providers import cuda

NAME = "TensorrtExecutionProvider"
DEVICES = ("nv*",)  # nvidia-frontend, nvidia-uvm; on a Jetson nvhost-*, nvmap
WRITES = ("cache",)
REMEDIES = {
    # onnxruntime-gpu 1.31 was built for TensorRT 10; PyPI's newest is another.
    "libnvinfer": "install TensorRT of that number: on a Jetson it is JetPack's, "
    "elsewhere run: pip install 'tensorrt-cu13==10.*'",
    "libnvonnxparser": "install TensorRT of that number, with its parser",
    **cuda.REMEDIES,
}


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    device: int = 0,
    batch: int = 1,
    fp16: bool = False,
    int8: bool = True,
    workspace_mb: int = 0,
    effort: int = 3,
    cache: Path | None = None,
) -> CachedProvider:
    """Run on a card, compiled for it.

    Args:
        device: Number of the card (``device_id``).
        batch: Images in one run; engines are built for it.
        fp16: Whether float layers may run in half precision (``trt_fp16_enable``).
        int8: Whether layers of an int8 variant run on integers (``trt_int8_enable``).
        workspace_mb: Most memory for building, MiB (``trt_max_workspace_size``); 0 leaves it to
            TensorRT.
        effort: 0 to 5 (``trt_builder_optimization_level``): a higher one builds longer; below 3
            the engine may be slower.
        cache: Folder of the engines (``trt_engine_cache_path``); by default in the user's cache.

    """
    _check(batch, workspace_mb, effort)
    behind = cuda.options(device, 0, cuda.Search.HEURISTIC, tf32=False)
    provider = ExecutionProvider(
        NAME,
        {
            "device_id": str(device),
            "trt_fp16_enable": _flag(fp16),
            "trt_int8_enable": _flag(int8),
            "trt_builder_optimization_level": str(effort),
            **({"trt_max_workspace_size": str(workspace_mb * 2**20)} if workspace_mb else {}),
        },
        package=cuda.PACKAGE,
        library="tensorrt",
        remedies=REMEDIES,
        behind=((cuda.NAME, behind),),
        batch=batch,
    )
    return CachedProvider(provider, cache or user_cache.folder("tensorrt"), _keeping)


def _keeping(provider: ExecutionProvider, folder: Path) -> ExecutionProvider:
    """Let the engine, and how long each kernel took, be written to a folder, or read from it."""
    kept = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }
    return replace(provider, options=provider.options | kept)


def _flag(on: bool) -> str:
    return "1" if on else "0"


def _check(batch: int, workspace_mb: int, effort: int) -> None:
    if batch < 1:
        raise ConfigError(f"tensorrt: batch {batch}; expected 1 or more")
    if workspace_mb < 0:
        raise ConfigError(f"tensorrt: workspace_mb {workspace_mb}; expected 0 or more")
    if not 0 <= effort <= 5:
        raise ConfigError(f"tensorrt: effort {effort}; expected 0 to 5")
