"""NVIDIA's graphics cards and Jetson's, through CUDA and cuDNN.

Source:
    onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html, "Configuration Options".
"""

from enum import StrEnum

from edgecls.errors import ConfigError
from edgecls_runtime.execution_provider import ExecutionProvider

NAME = "CUDAExecutionProvider"
DEVICES = ("nv*",)  # nvidia-frontend, nvidia-uvm; on a Jetson nvhost-*, nvmap
PACKAGE = "onnxruntime-gpu[cuda,cudnn]"
INSTALL = f"run: pip install '{PACKAGE}'"
REMEDIES = {
    "libcuda.so": "install NVIDIA's driver; is there a card?",
    "libcu": INSTALL,
    "libnv": INSTALL,
}


class Search(StrEnum):
    """How cuDNN's algorithm for each convolution is chosen (``cudnn_conv_algo_search``)."""

    EXHAUSTIVE = "exhaustive"
    """By trying each, at the first frame."""
    HEURISTIC = "heuristic"
    """By a rule."""
    DEFAULT = "default"
    """Always the same one."""


def open(
    *,
    device: int = 0,
    memory_mb: int = 0,
    search: Search = Search.HEURISTIC,
    tf32: bool = False,
) -> ExecutionProvider:
    """Run on a card.

    Args:
        device: Number of the card (``device_id``).
        memory_mb: Most memory of the arena, MiB (``gpu_mem_limit``); 0 sets no limit.
        search: How the algorithm of a convolution is chosen. onnxruntime's own default,
            ``exhaustive``, makes the first frame late.
        tf32: Whether products may be rounded to 10 bits (``use_tf32``). onnxruntime's own default
            is yes; an fp32 variant then no longer answers as fp32 does.

    """
    return ExecutionProvider(
        NAME,
        options(device, memory_mb, search, tf32=tf32),
        package=PACKAGE,
        library="cuda",
        remedies=REMEDIES,
    )


def options(device: int, memory_mb: int, search: Search, *, tf32: bool) -> dict[str, str]:
    """Return onnxruntime's options for the arguments of ``open``.

    Raises:
        ConfigError: A number is below 0.

    """
    for key, value in {"device": device, "memory_mb": memory_mb}.items():
        if value < 0:
            raise ConfigError(f"cuda: {key} {value}; expected 0 or more")
    limit = {"gpu_mem_limit": str(memory_mb * 2**20)} if memory_mb else {}
    return {
        "device_id": str(device),
        "cudnn_conv_algo_search": search.upper(),
        "use_tf32": "1" if tf32 else "0",
        **limit,
    }
