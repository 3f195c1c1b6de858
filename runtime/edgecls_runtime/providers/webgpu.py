"""Any graphics card through Vulkan, Direct3D 12 or Metal: a plug-in for onnxruntime.

Needs Vulkan's loader (``libvulkan.so.1``) on Linux. A software renderer is taken only where
the environment says ``ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER=1``.

Source:
    onnxruntime.ai/docs/execution-providers/WebGPU-ExecutionProvider.html, "Configuration options".
"""

from enum import StrEnum

from edgecls_runtime.execution_provider import ExecutionProvider

DEVICES = ("drm",)


class Power(StrEnum):
    """Which card, where there are two (``powerPreference``)."""

    HIGH = "high-performance"
    LOW = "low-power"


class Layout(StrEnum):
    """Order in memory of what flows between layers (``preferredLayout``)."""

    NHWC = "nhwc"
    NCHW = "nchw"


def open(*, power: Power = Power.HIGH, layout: Layout = Layout.NHWC) -> ExecutionProvider:
    """Run on a card.

    Args:
        power: Which card, where there are two.
        layout: Order in memory; which is faster is the card's.

    """
    return ExecutionProvider(
        "WebGpuExecutionProvider",
        {
            "powerPreference": power,
            "preferredLayout": layout.upper(),
        },
        package="onnxruntime-ep-webgpu",
        plugin="onnxruntime_ep_webgpu",
        no_device="is Vulkan's loader installed (apt install libvulkan1), and a card's driver?",
    )
