"""An ONNX Runtime execution provider, as ``providers/`` describes it before it is built."""

from dataclasses import dataclass, field
from pathlib import Path

from edgecls_runtime.protocols import Session


@dataclass(frozen=True, slots=True)
class ExecutionProvider:
    """How a session is built.

    Attributes:
        name: ONNX Runtime's name, such as ``CPUExecutionProvider``.
        options: Its provider options.
        threads: Threads inside one operator on the processor; 0 takes one per physical core.
        config: ONNX Runtime session configuration entries.
        exact: Whether the file is computed operator by operator as it is written, with graph
            optimisations off, so that it does not matter which kernels it was made for.
        package: Package that carries it, as ``pip install`` takes it.
        elsewhere: Where it is, if no package for this machine carries it; for messages.
        plugin: Module of that package whose ``get_library_path()`` is registered first; empty for
            a provider that is compiled into onnxruntime.
        device: Kind of hardware that a plug-in shall take: ``cpu``, ``gpu`` or ``npu``; empty takes
            the first of ``npu``, ``gpu``, ``cpu`` that it offers.
        no_device: What to do where a plug-in offers no such hardware.
        library: Middle of the name of a provider's own library inside the onnxruntime package, such
            as ``cuda``; what it cannot load is the reason why a provider cannot be built.
        remedies: By the beginning of such a library's name, what to do when it is missing.
        behind: Providers, with options, that take what this one leaves, before the processor does.
        batch: Images in one run of a provider whose shapes are fixed; 0 takes any number.

    """

    name: str
    options: dict[str, str] = field(default_factory=dict)
    threads: int = 0
    config: dict[str, str] = field(default_factory=dict)
    exact: bool = False
    package: str = "onnxruntime"
    elsewhere: str = ""
    plugin: str = ""
    device: str = ""
    no_device: str = ""
    library: str = ""
    remedies: dict[str, str] = field(default_factory=dict)
    behind: tuple[tuple[str, dict[str, str]], ...] = ()
    batch: int = 0

    def require(self) -> None:
        """Refuse a device that does not have it.

        Raises:
            ProviderMissing: A package, a library or the hardware is not here.

        """
        from edgecls_runtime import availability  # noqa: PLC0415 - as in load

        availability.require(self)

    def load(self, model: Path) -> Session:
        """Load an ONNX file on exactly this provider.

        Raises:
            ProviderError: It cannot be built on this device, or the file is not a model.

        """
        # Settings can be read and shown without the engine, which takes a while to load.
        from edgecls_runtime import session  # noqa: PLC0415

        return session.load(model, self)
