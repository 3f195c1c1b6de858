"""Qualcomm's NPU (Hexagon Tensor Processor), through onnxruntime's QNN provider.

Activations are u8 with a zero point; weights u8 too, one scale for each. Two faults of its kernels
were found on Qualcomm's own simulator (onnxruntime-qnn 2.7.0, Snapdragon 8 Gen 2), neither of which
raises an error, and this scheme keeps out of both:

- a Cast of the image's bytes to float gives zeros (largest difference 253 grey levels; 0 of 24
  photos right): hence ``integer_face``;
- a convolution with Clip(0, 6) behind it is wrong with s8 activations around zero point 0, the
  scheme of ``tensorrt``.

A provider must fix the batch: no free dimension is taken.

Source:
    onnxruntime, ``docs/execution-providers/QNN-ExecutionProvider.md``: "QNN operators typically
    support the uint8 and uint16 data types", MatMul takes "(uint8, uint8), (uint8, uint16),
    (uint16, uint8)"; its ``quantization/execution_providers/qnn/quant_config.py``: weights are u8 unless
    asked, per channel for Conv and ConvTranspose alone. Measured: ``docs/targets.md``.
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Scheme, Target

TARGET = Target(
    name="qnn",
    precision=Precision.INT8,
    scheme=Scheme(activations="u8", weights="u8", per_channel=False),
    providers=("QNNExecutionProvider",),
    source="onnxruntime, QNN-ExecutionProvider.md; measured on the HTP simulator",
    integer_face=True,
)
