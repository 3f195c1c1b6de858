"""A model file and an execution provider become a session of onnxruntime."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edgecls.errors import ProviderError, ProviderMissing
from edgecls_runtime import availability, optimised, placement, profile
from edgecls_runtime.binding import Binding
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.native_output import on_stderr
from edgecls_runtime.optimised import Optimised
from edgecls_runtime.placement import Node, Placement, Proof
from edgecls_runtime.reasons import first_line
from edgecls_runtime.signature import Signature

# ONNX Runtime's own log lines are for its developers; what goes wrong comes to us as an exception.
FATAL = 4
# The exporter's table of what each node costs, in the file's own metadata.
FLOPS = "flops"
SPINNING = "session.intra_op.allow_spinning"

# A station tells those that its file names, and nobody else.
ort.disable_telemetry_events()


class OnnxSession:
    """A session of onnxruntime; threads may share it.

    Attributes:
        signature: What the model takes and gives.
        placement: Which node runs where.

    """

    def __init__(
        self, model: Path, session: ort.InferenceSession, provider: ExecutionProvider
    ) -> None:
        """Take a session over."""
        self._session: ort.InferenceSession | None = session
        self._batch = provider.batch
        self.signature = _signature(model, session)
        # One for each thread that is in the engine at the same time, made when it is first needed.
        self._free: list[Binding] = []
        self.placement = _placement(session, model, provider, self.signature.metadata)

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores of a batch, as ``protocols.Session`` says."""
        self._check(batch)
        step = self._batch or max(len(batch), 1)
        try:
            with self._binding() as binding:
                parts = [
                    binding.run(batch[first : first + step])
                    for first in range(0, max(len(batch), 1), step)
                ]
        except Exception as error:  # onnxruntime's own classes derive from Exception alone
            where = self.signature.model.name
            raise ProviderError(f"{where}: {first_line(error)}") from error
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def close(self) -> None:
        """Release the device; closing twice is allowed."""
        self._free.clear()
        self._session = None

    def _check(self, batch: NDArray[np.uint8]) -> None:
        """Refuse what the engine would read as something else: it is told a place, not an array."""
        name, wanted = self.signature.model.name, self.signature.input_shape
        fits = len(batch.shape) == len(wanted) and all(
            have == want
            for have, want in zip(batch.shape[1:], wanted[1:], strict=True)
            if isinstance(want, int)
        )
        if batch.dtype != np.uint8 or not fits or not batch.flags.c_contiguous:
            raise ProviderError(
                f"{name}: {batch.dtype} of shape {batch.shape}; "
                f"expected uint8 (n, {', '.join(map(str, wanted[1:]))}), C-contiguous"
            )

    @contextmanager
    def _binding(self) -> Iterator[Binding]:
        """Lend a binding that no other thread has meanwhile."""
        session = self._session
        if session is None:
            raise ProviderError("closed; open the bundle again")
        try:
            binding = self._free.pop()  # atomic, as append is
        except IndexError:
            binding = Binding(session, int(self.signature.output_shape[1]))
        yield binding
        # Not after a failure, when something may be left bound, nor of a session that was closed
        # meanwhile: a device that is still held cannot be opened again.
        if self._session is not None:
            self._free.append(binding)


def engine() -> str:
    """Return the engine's name and version."""
    return f"onnxruntime {ort.__version__}"


def load(model: Path, provider: ExecutionProvider) -> OnnxSession:
    """Load an ONNX file on exactly the wanted provider.

    Raises:
        ProviderError: The file is not a model, or the provider is not to be had here. There is no
            quiet fallback: ONNX Runtime's own is switched off.

    """
    ort.set_default_logger_severity(FATAL)
    availability.require(provider)
    try:
        with nullcontext() if provider.name == availability.PROCESSOR else on_stderr():
            session = _built(model, provider)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise ProviderError(f"{model}: {first_line(error)}") from error
    if session.get_providers()[0] != provider.name:
        raise ProviderMissing(
            f"{provider.name}: cannot be built here; ran on {', '.join(session.get_providers())}"
        )
    return OnnxSession(model, session, provider)


def _built(model: Path, provider: ExecutionProvider) -> ort.InferenceSession:
    """Build a session: of the graph that an earlier start optimised, or of the file, to keep it."""
    graph = _graph(model, provider)
    if graph is None:
        return _opened(model, provider, _options(provider))
    if (file := graph.found()) is not None:
        try:
            return _opened(file, provider, _options(provider, optimise=False))
        except Exception:  # noqa: BLE001 - whatever is wrong with it, the file itself is there
            graph.forget()
    try:
        with graph.writing() as part:
            options = _options(provider)
            options.optimized_model_filepath = str(part)
            return _opened(model, provider, options)
    except Exception:  # noqa: BLE001 - a disk that is full or read-only: then nothing is kept
        return _opened(model, provider, _options(provider))


def _opened(
    file: Path, provider: ExecutionProvider, options: ort.SessionOptions
) -> ort.InferenceSession:
    chosen = [(provider.name, provider.options), *provider.behind]
    if provider.plugin:
        options.add_provider_for_devices([availability.plugin_device(provider)], provider.options)
        chosen = []
    # onnxruntime's own fallback would be quiet, when loading and at any frame.
    return ort.InferenceSession(file, options, chosen, enable_fallback=0)


def _graph(model: Path, provider: ExecutionProvider) -> Optimised | None:
    """Return where the optimised graph is kept; other providers keep their own, or none."""
    if provider.name != availability.PROCESSOR or provider.exact:
        return None
    config = {key: value for key, value in provider.config.items() if key != SPINNING}
    return optimised.of(model, ort.__version__, ort.get_build_info(), json.dumps(config))


def _options(provider: ExecutionProvider, *, optimise: bool = True) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = provider.threads
    if provider.exact or not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if provider.batch:
        options.add_free_dimension_override_by_name("batch", provider.batch)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    for key, value in provider.config.items():
        options.add_session_config_entry(key, value)
    return options


def _signature(model: Path, session: ort.InferenceSession) -> Signature:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ProviderError(
            f"{model}: {len(inputs)} inputs and {len(outputs)} outputs; expected one of each"
        )
    return Signature(
        model,
        tuple(inputs[0].shape),
        inputs[0].type,
        tuple(outputs[0].shape),
        dict(session.get_modelmeta().custom_metadata_map),
    )


def _placement(
    session: ort.InferenceSession,
    model: Path,
    provider: ExecutionProvider,
    metadata: dict[str, str],
) -> Placement:
    flops = json.loads(metadata.get(FLOPS, "{}"))
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return placement.placed(provider.name, profiled(model, provider), flops, Proof.PROFILE)
    nodes = [
        Node(node.name, node.op_type, part.ep_name)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    ]
    return placement.placed(provider.name, nodes, flops, Proof.ASSIGNMENT)


def profiled(model: Path, provider: ExecutionProvider) -> list[Node]:
    """Return which node ran where, from the profile of one image in a session of its own."""
    options = _options(provider)
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="edgecls-") as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = _opened(model, provider, options)
        given = session.get_inputs()[0]
        sides = [side if isinstance(side, int) else 1 for side in given.shape]
        session.run(None, {given.name: np.zeros(sides, np.uint8)})
        return profile.nodes(Path(session.end_profiling()))
