"""Qualcomm's NPU with activations of 16 bits, for networks that 8 bits spoil (``qnn`` otherwise).

In opset 18 QuantizeLinear and DequantizeLinear of u16 are onnxruntime's own (``com.microsoft``).

Source:
    As ``qnn``; the documentation's own example quantizes to u16 activations and u8 weights.
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Scheme, Target

TARGET = Target(
    name="qnn-u16",
    precision=Precision.INT8,
    scheme=Scheme(activations="u16", weights="u8", per_channel=False),
    providers=("QNNExecutionProvider",),
    source="onnxruntime, QNN-ExecutionProvider.md; measured on the HTP simulator",
    integer_face=True,
)
