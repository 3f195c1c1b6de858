"""x86-64 without VNNI: every AMD before Zen 4, Intel before Ice Lake, and most small boards.

Source:
    onnxruntime's MLAS, ``core/mlas/lib/qgemm.cpp`` and ``amd64/QgemmU8S8KernelAvx2.asm``: u8 times
    s8 runs on ``vpmaddubsw``, which saturates; ``docs/int8.md`` shows it.
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Scheme, Target

TARGET = Target(
    name="x86-avx2",
    precision=Precision.INT8,
    scheme=Scheme(activations="u8", weights="s8", bounded=True),
    providers=("CPUExecutionProvider",),
    machines=("x86_64", "AMD64"),
    source="onnxruntime MLAS, QgemmU8S8KernelAvx2; measured in docs/int8.md",
    mixed=frozenset({"weights", "head"}),
    rewritings=("pixels", "gates", "attention"),
)
