"""Intel's OpenVINO, on its processors and their graphics.

OpenVINO's own quantizer (NNCF) offers two schemes: symmetric activations, and asymmetric ones
("mixed", for activation functions that are no ReLU); weights are symmetric in both. Asymmetric u8
holds both. Its kernels saturate on processors without VNNI as onnxruntime's do, hence the bound.
That its kernels pair neighbours in the order that the bound assumes was **not tested**.

In networks of attention only products with weights are integers: rounded sums, softmaxes and GELUs
took ViT-tiny from 13.5 ms to 23. Layers write floats where no integers read them: OpenVINO rounds a
constant that is joined to a rounded result, as the class token is, along with it (ViT-tiny's scores
fell from a cosine of 0.999 to 0.85), and fuses HardSwish only into an unrounded one
(MobileNetV3-small: 1.3 ms instead of 2.6).

Source:
    openvinotoolkit/openvino, ``docs/articles_en/.../basic-quantization-flow.rst``, "preset";
    docs.openvino.ai/2023.1/pot_docs_BestPractices.html: "the saturation issue that occurs on AVX
    and SSE-based CPU devices".
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Scheme, Target

TARGET = Target(
    name="openvino",
    precision=Precision.INT8,
    scheme=Scheme(activations="u8", weights="s8", bounded=True),
    providers=("OpenVINOExecutionProvider",),
    machines=("x86_64", "AMD64"),
    mixed=frozenset({"weights"}),
    float_results=frozenset({"Conv", "Gemm", "MatMul"}),
    float_rewritings=("hard_swish",),
    source="OpenVINO documentation, Basic Quantization Flow and POT Best Practices",
)
