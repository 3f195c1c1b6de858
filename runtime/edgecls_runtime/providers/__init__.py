"""One file per ONNX Runtime execution provider; its name is the provider's in a station file.

``open(...)`` of each returns a ``Provider``: what a session is built with.
"""

from dataclasses import dataclass, field

from edgecls import plugins


@dataclass(frozen=True, slots=True)
class Provider:
    """How a session is built.

    Attributes:
        name: ONNX Runtime's name, such as ``CPUExecutionProvider``.
        options: Its provider options.
        threads: Threads inside one operator; 0 takes one per physical core.
        config: ONNX Runtime session configuration entries.
        exact: Whether the file is computed operator by operator as it is written, with graph
            optimisations off, so that it does not matter which kernels it was made for.

    """

    name: str
    options: dict[str, str] = field(default_factory=dict)
    threads: int = 0
    config: dict[str, str] = field(default_factory=dict)
    exact: bool = False


def open_provider(kind: str) -> Provider:
    """Open a provider with its defaults.

    Args:
        kind: Name of a file in ``providers/``; ``auto`` is ``cpu``.

    Raises:
        ConfigError: There is none of that name.

    """
    table = {"kind": "cpu" if kind == "auto" else kind}
    provider: Provider = plugins.open_table("edgecls_runtime.providers", table, "provider")
    return provider
