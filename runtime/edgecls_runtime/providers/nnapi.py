"""Android's Neural Networks API; in an onnxruntime that was built for Android.

Android has deprecated it since version 15. From Python it takes no options of its own.

Source:
    onnxruntime.ai/docs/execution-providers/NNAPI-ExecutionProvider.html;
    ``onnxruntime_session_options_config_keys.h`` for ``ep.nnapi.partitioning_stop_ops``.
    **Untested**: there was no phone, and no package on PyPI has it.
"""

from edgecls.errors import ConfigError
from edgecls_runtime.execution_provider import ExecutionProvider


def open(*, stop_at: tuple[str, ...] = ()) -> ExecutionProvider:
    """Run on what the phone offers.

    Args:
        stop_at: Operators behind which everything stays on the processor
            (``ep.nnapi.partitioning_stop_ops``), such as ``Softmax``.

    """
    if any(not name.isidentifier() for name in stop_at):
        raise ConfigError(f"nnapi: stop_at {list(stop_at)}; expected names of ONNX operators")
    config = {"ep.nnapi.partitioning_stop_ops": ",".join(stop_at)} if stop_at else {}
    return ExecutionProvider(
        "NnapiExecutionProvider",
        config=config,
        elsewhere="build onnxruntime for Android with --use_nnapi",
        batch=1,
    )
