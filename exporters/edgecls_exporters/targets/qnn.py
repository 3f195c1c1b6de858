"""Qualcomm's NPU (Hexagon Tensor Processor), through onnxruntime's QNN provider.

Activations are u8 with a zero point. Weights are s8 per output channel: measured right, and closer
to fp32 than u8 with one scale a tensor, which the documentation's examples use. Two faults of its
kernels were found on Qualcomm's own simulator (onnxruntime-qnn 2.7.0, Snapdragon 8 Gen 2); neither
raises an error, and this target keeps out of both:

- a Cast of the image's bytes to float gives zeros (largest difference 253 grey levels; 0 of 24
  photos answered rightly): hence ``integer_face``;
- a convolution with Clip(0, 6) behind it is wrong with s8 activations around zero point 0, the
  scheme of ``tensorrt``.

A provider must fix the batch: no free dimension is taken. Products of two activations (attention)
were not measured; the documentation has MatMul take u8 or u16 only.

Source:
    onnxruntime, ``docs/execution-providers/QNN-ExecutionProvider.md``: "QNN operators typically
    support the uint8 and uint16 data types"; ``onnxruntime.quantization``'s ``quant_config.py`` for
    QNN: per channel for Conv and ConvTranspose. Measured: ``docs/targets.md``.
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Scheme, Target

TARGET = Target(
    name="qnn",
    precision=Precision.INT8,
    scheme=Scheme(activations="u8", weights="s8"),
    providers=("QNNExecutionProvider",),
    source="onnxruntime, QNN-ExecutionProvider.md; measured on the HTP simulator",
    integer_face=True,
)
