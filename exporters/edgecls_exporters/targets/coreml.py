"""Apple's Core ML.

Its operators take float32 and, in the format ``MLProgram``, float16; integers are none of them. The
provider must be opened with ``ModelFormat=MLProgram``: in the older format no float16 operator is
taken and the whole file runs on the processor. There is no Core ML on Linux: **untested**.

Source:
    onnxruntime, ``docs/execution-providers/CoreML-ExecutionProvider.md`` (none of its operators is
    quantized); github.com/microsoft/onnxruntime/pull/22068 (float16 in MLProgram) and issues/17448
    ("Input type: [10] is not supported" in the older format).
"""

from edgecls.manifest import Precision
from edgecls_exporters.targets import Target

TARGET = Target(
    name="coreml",
    precision=Precision.FP16,
    scheme=None,
    providers=("CoreMLExecutionProvider",),
    source="onnxruntime, CoreML-ExecutionProvider.md; pull 22068, issue 17448",
)
