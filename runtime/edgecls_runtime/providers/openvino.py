"""Intel's processors, graphics and NPUs, through OpenVINO.

Two packages carry it. ``onnxruntime-ep-openvino`` is a plug-in beside onnxruntime and takes Intel's
hardware only. ``onnxruntime-openvino`` replaces onnxruntime, is older, and runs on AMD too. What is
installed decides.

Source:
    onnxruntime.ai/docs/execution-providers/OpenVINO-ExecutionProvider.html, "Configuration
    Options"; that the plug-in offers no device on a processor of AMD's was measured.
"""

import json
from enum import StrEnum
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime import packages
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.providers.cpu import check_threads

NAME = "OpenVINOExecutionProvider"
DEVICES = ("accel", "drm")
WRITES = ("cache",)
PLUGIN, CLASSIC = "onnxruntime-ep-openvino", "onnxruntime-openvino"


class Device(StrEnum):
    """The kind of hardware (``device_type``)."""

    CPU = "cpu"
    GPU = "gpu"
    NPU = "npu"


def open(
    *,
    device: Device = Device.CPU,
    threads: int = 0,
    streams: int = 1,
    bfloat16: bool = False,
    cache: Path | None = None,
) -> ExecutionProvider:
    """Run on Intel's engine.

    Args:
        device: The kind of hardware.
        threads: Threads of the processor (``num_of_threads``); 0 leaves it to OpenVINO.
        streams: Requests that run at once (``num_streams``); 1 is for latency.
        bfloat16: Let the processor round what a variant leaves float to bfloat16, where it computes
            in that (``INFERENCE_PRECISION_HINT``); golden samples tell whether answers stand it.
        cache: Folder that keeps what was compiled for a GPU or an NPU (``cache_dir``).

    """
    check_threads("openvino", threads)
    if streams < 1:
        raise ConfigError(f"openvino: streams {streams}; expected 1 or more")
    if bfloat16 and device is not Device.CPU:
        raise ConfigError(f"openvino: bfloat16 is for device cpu; {device} rounds as it does")
    options = {"num_streams": str(streams)}
    if bfloat16:
        options["load_config"] = json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}})
    if threads:
        options["num_of_threads"] = str(threads)
    if cache is not None:
        options["cache_dir"] = str(cache)
    if packages.installed(CLASSIC):
        return ExecutionProvider(
            NAME,
            {"device_type": device.upper(), **options},
            package=CLASSIC,
            library="openvino",
        )
    return ExecutionProvider(
        NAME,
        options,
        package=PLUGIN,
        elsewhere=f"run: {packages.replacing('onnxruntime')} {PLUGIN}, or, on a processor that is "
        f"not Intel's: {packages.replacing(CLASSIC)}",
        plugin="onnxruntime_ep_openvino",
        device=device,
        no_device=f"it takes Intel's hardware only; on another processor "
        f"run: {packages.replacing(CLASSIC)}",
    )
