"""Intel's OpenVINO, on its processors and their graphics.

OpenVINO's own quantizer (NNCF) offers two schemes: symmetric activations, and asymmetric ones
("mixed", for activation functions that are no ReLU); weights are symmetric in both. Asymmetric u8
holds both. Its kernels saturate on processors without VNNI as onnxruntime's do, hence the bound.
That its kernels pair neighbours in the order that the bound assumes was **not tested**.

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
    source="OpenVINO documentation, Basic Quantization Flow and POT Best Practices",
)
