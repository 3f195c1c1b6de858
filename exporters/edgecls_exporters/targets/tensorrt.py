"""NVIDIA's TensorRT, on Jetson and on graphics cards.

Both activations and weights are symmetric around 0, weights per output channel. Biases stay float:
TensorRT's parser refuses a DequantizeLinear of s32. Without a GPU nothing of this was run here; the
file's arithmetic can be measured with the ``reference`` provider.

Source:
    docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/work-quantized-types.html:
    "TensorRT employs a symmetric quantization scheme, where both activations and weights are mapped
    to quantized values centered around zero"; biases: github.com/microsoft/onnxruntime/issues/14229
    ("only activation types allowed as input to this layer") and pull/14549 (``QuantizeBias``).
    That other operators than the softmax must stay float could not be confirmed.
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Scheme, Target

TARGET = Target(
    name="tensorrt",
    precision=Precision.INT8,
    scheme=Scheme(activations="s8", weights="s8", symmetric=True, integer_biases=False),
    providers=("TensorrtExecutionProvider",),
    source="NVIDIA, TensorRT documentation, Working with Quantized Types; onnxruntime issue 14229",
)
