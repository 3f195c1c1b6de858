"""x86-64 with VNNI or AMX: Intel from Ice Lake on, Alder Lake's AVX-VNNI, AMD from Zen 4 on.

u8 times s8 adds up in 32 bits (``vpdpbusd``): nothing saturates, no weight need be coarser. On a
processor without VNNI the same file is wrong, and ``platform.machine()`` does not tell the two
apart: hence the instruction sets, as Linux lists them. Others run the ``x86-avx2`` file, which is
right on both.

Source:
    onnxruntime's MLAS, ``core/mlas/lib/amd64/SymQgemmU8KernelAvx512.asm``: the one macro uses
    ``vpmaddubsw``, the other (VNNI) ``vpdpbusds``; ``docs/performance/model-optimizations/
    quantization.md``: "There is no such issue on other CPU architectures (x64 with VNNI and ARM)".
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Scheme, Target

TARGET = Target(
    name="x86-vnni",
    precision=Precision.INT8,
    scheme=Scheme(activations="u8", weights="s8"),
    providers=("CPUExecutionProvider",),
    machines=("x86_64+avx512_vnni", "x86_64+avx_vnni"),
    source="onnxruntime docs, quantization.md, and MLAS SymQgemmU8KernelAvx512.asm; measured",
    mixed=frozenset({"weights", "head"}),
    rewritings=("pixels", "gates", "attention"),
)
