"""One file per place where a model can run; its name is the provider's in a station file.

``open(...)`` of each returns a ``Provider``: most return an ``ExecutionProvider`` of ONNX Runtime.
"""

from edgecls import plugins
from edgecls_runtime.protocols import Provider


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
