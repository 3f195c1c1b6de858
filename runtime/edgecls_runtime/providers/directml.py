"""Any graphics card on Windows, through DirectX 12.

The package replaces onnxruntime and exists for Windows alone; Microsoft keeps it up and adds
nothing. ``webgpu`` reaches the same cards.

Source:
    onnxruntime.ai/docs/execution-providers/DirectML-ExecutionProvider.html, "Configuration
    options". **Untested**: there was no Windows.
"""

import sys

from edgecls.errors import ConfigError
from edgecls_runtime.execution_provider import ExecutionProvider

PACKAGE = "onnxruntime-directml"


def open(*, device: int = 0) -> ExecutionProvider:
    """Run on a card.

    Args:
        device: Number of the card, in the order of DirectX (``device_id``).

    """
    if device < 0:
        raise ConfigError(f"directml: device {device}; expected 0 or more")
    return ExecutionProvider(
        "DmlExecutionProvider",
        {"device_id": str(device)},
        package=PACKAGE,
        elsewhere="" if sys.platform == "win32" else f"{PACKAGE} exists for Windows only",
        batch=1,
    )
