"""The processor itself, x86 or ARM: in every onnxruntime package, runs every variant."""

from edgecls.errors import ConfigError
from edgecls_runtime.execution_provider import ExecutionProvider

MOST_THREADS = 1024


def open(*, threads: int = 0, spinning: bool = False) -> ExecutionProvider:
    """Run on the CPU.

    Args:
        threads: Threads inside one operator; 0 takes one per physical core.
        spinning: Idle threads wait actively for work: faster for one caller whose frames come back
            to back. A station that waits for its camera then burns every core it has, and one that
            reads files prepares the next frames on those cores: measured, it takes 1.3 to 1.6
            times the processor time a frame, and is slower (docs/hotpath.md).

    """
    check_threads("cpu", threads)
    return ExecutionProvider(
        "CPUExecutionProvider",
        threads=threads,
        config={"session.intra_op.allow_spinning": "1" if spinning else "0"},
    )


def check_threads(kind: str, threads: int) -> None:
    """Raise ConfigError for a number of threads that no processor has."""
    if not 0 <= threads <= MOST_THREADS:
        raise ConfigError(f"{kind}: threads {threads}; expected 0 to {MOST_THREADS}")
