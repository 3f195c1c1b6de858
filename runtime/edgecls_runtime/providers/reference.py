"""The file exactly as written, in float, on any processor: slow, and what the others are held to.

onnxruntime computes an integer layer on integer kernels only after it has fused the layer with the
(de)quantization around it. With fusing switched off each DequantizeLinear, Conv and QuantizeLinear
runs by itself in float32, and no kernel can saturate. So a variant made for another machine can be
measured here, and a wrong answer is the kernel's fault if this one is right, the file's if not.
"""

from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.providers.cpu import check_threads


def open(*, threads: int = 0) -> ExecutionProvider:
    """Run on the CPU, every operator by itself.

    Args:
        threads: Threads inside one operator; 0 takes one per physical core.

    """
    check_threads("reference", threads)
    return ExecutionProvider(
        "CPUExecutionProvider",
        threads=threads,
        config={"session.intra_op.allow_spinning": "0"},
        exact=True,
    )
