"""Rockchip's NPUs (RK3566, RK3588 ...), through rknn-toolkit2.

The toolkit quantizes by itself, from a float ONNX file and calibration images, and makes a file of
its own format: give it the bundle's fp32 variant. Its documents name PyTorch, TensorFlow and TFLite
as sources of quantized models; onnxruntime's QDQ is not confirmed, and users report failures. No
ONNX Runtime provider runs the result.

Source:
    github.com/airockchip/rknn-toolkit2/issues/521 (PyTorch's quantized models fail in 2.3.2);
    github.com/rockchip-linux/rknn-toolkit/issues/111 (older toolkit: onnxruntime 1.5's files only).
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Target

TARGET = Target(
    name="rockchip",
    precision=Precision.FP32,
    scheme=None,
    providers=(),
    source="rknn-toolkit2 issue 521, rknn-toolkit issue 111",
)
