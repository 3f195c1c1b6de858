"""GPUs through WebGPU.

onnxruntime's WebGPU kernels have no integer convolution: of quantization they know QuantizeLinear
and DequantizeLinear, so that an int8 file is computed in float between them, with all the work of
both. Half precision halves what is read. The device must have the feature ``shader-f16``.

Source:
    onnxruntime, ``core/providers/webgpu/quantization/`` (these two operators are all of it);
    ``js/web/docs/webgpu-operators.md`` (no QLinearConv);
    github.com/nico-martin/gemma4-browser-extension/issues/13 for what a device without says.
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Target

TARGET = Target(
    name="webgpu",
    precision=Precision.FP16,
    scheme=None,
    providers=("WebGpuExecutionProvider",),
    source="onnxruntime, core/providers/webgpu/quantization and webgpu-operators.md",
)
