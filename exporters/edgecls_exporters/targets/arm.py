"""64-bit ARM: Raspberry Pi 3 to 5, Jetson's and every phone's processor cores.

Products add up in 32 bits, with the dot-product instructions and without: nothing saturates, and
s8s8 and u8s8 gave the same score on an emulated Cortex-A76. s8 is chosen for
speed: MLAS has a GEMM for symmetric weights that reads signed activations where they lie, and none
for unsigned ones, whose weights it shifts to unsigned, with sums over each row to make up for it.
That it is faster on a board was **not measured**. Activations keep a zero point. On x86 this file
is slow, not wrong.

Source:
    onnxruntime's MLAS: ``core/mlas/lib/platform.cpp`` (``MlasSymmQgemmS8DispatchSdot``,
    ``MlasGemmS8S8DispatchSdot``, with I8MM ``MlasGemmS8S8DispatchSmmla``), ``convsym.cpp``
    (pointwise convolutions go to that GEMM); ``docs/.../quantization.md``: "S8S8 with QDQ is the
    default setting". KleidiAI takes part in float and dynamically quantized GEMM only.
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Scheme, Target

TARGET = Target(
    name="arm",
    precision=Precision.INT8,
    scheme=Scheme(activations="s8", weights="s8"),
    providers=("CPUExecutionProvider",),
    machines=("aarch64", "arm64", "ARM64"),
    source="onnxruntime MLAS platform.cpp and convsym.cpp; scores measured on emulated ARM",
    rewritings=("pixels",),
)
