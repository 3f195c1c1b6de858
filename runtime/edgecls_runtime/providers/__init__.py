"""One file per ONNX Runtime execution provider; its name is the provider's in a station file.

``open(...)`` of each returns a ``Provider``: what a session is built with.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Provider:
    """How a session is built.

    Attributes:
        name: ONNX Runtime's name, such as ``CPUExecutionProvider``.
        options: Its provider options.
        threads: Threads inside one operator; 0 takes one per physical core.
        config: ONNX Runtime session configuration entries.

    """

    name: str
    options: dict[str, str] = field(default_factory=dict)
    threads: int = 0
    config: dict[str, str] = field(default_factory=dict)
