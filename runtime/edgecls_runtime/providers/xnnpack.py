"""XNNPACK on ARM and x86 processors; in an onnxruntime that was built with it.

It has threads of its own. onnxruntime's are kept to one that does not spin, or both fight for the
cores.

Source:
    onnxruntime.ai/docs/execution-providers/Xnnpack-ExecutionProvider.html, "Configuration Options"
    and "Recommended configuration". **Untested**: no package on PyPI for Linux has it.
"""

import os

from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.providers.cpu import check_threads


def open(*, threads: int = 0) -> ExecutionProvider:
    """Run on XNNPACK.

    Args:
        threads: XNNPACK's threads (``intra_op_num_threads``); 0 takes one per core.

    """
    check_threads("xnnpack", threads)
    return ExecutionProvider(
        "XnnpackExecutionProvider",
        {"intra_op_num_threads": str(threads or os.cpu_count() or 1)},
        threads=1,
        config={"session.intra_op.allow_spinning": "0"},
        elsewhere="build onnxruntime with --use_xnnpack: no package on PyPI has it",
    )
