"""XNNPACK, on phones and in browsers.

Activations and weights are s8, weights per channel only for convolutions (their zero points 0).
u8 activations with s8 weights are not handled, and of quantized operators only convolutions,
poolings, Resize and Softmax are: Gemm and MatMul have float kernels alone, so they stay float. No
wheel on Linux carries XNNPACK: **untested**.

Source:
    onnxruntime, ``core/providers/xnnpack/detail/utils.cc``: ``GetQuantizedOpType`` and
    ``GetTensorQuantType`` ("we do not handle u8s8", "only support 0 as zero point for per-channel
    quantization"), ``docs/execution-providers/Xnnpack-ExecutionProvider.md``.
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Scheme, Target

TARGET = Target(
    name="xnnpack",
    precision=Precision.INT8,
    scheme=Scheme(activations="s8", weights="s8"),
    providers=("XnnpackExecutionProvider",),
    keep_float=frozenset({"Gemm", "MatMul"}),
    source="onnxruntime, core/providers/xnnpack/detail/utils.cc",
)
