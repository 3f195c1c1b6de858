"""A model file and an execution provider become a session of onnxruntime."""

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edgecls.errors import ProviderError, ProviderMissing
from edgecls_runtime import availability, placement
from edgecls_runtime.availability import first_line
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.native_output import on_stderr
from edgecls_runtime.placement import Node, Placement, Proof
from edgecls_runtime.signature import Signature

# ONNX Runtime's own log lines are for its developers; what goes wrong comes to us as an exception.
FATAL = 4
# The exporter's table of what each node costs, in the file's own metadata.
FLOPS = "flops"


class OnnxSession:
    """A session of onnxruntime.

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
        self._input, self._output = session.get_inputs()[0].name, session.get_outputs()[0].name
        self.placement = _placement(session, provider, self.signature.metadata)

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores of a batch, as ``protocols.Session`` says."""
        session, step = self._session, self._batch or len(batch)
        if session is None:
            raise ProviderError(f"{self.signature.model.name}: closed; open the bundle again")
        try:
            parts = [
                session.run([self._output], {self._input: batch[first : first + step]})[0]
                for first in range(0, len(batch), step)
            ]
        except Exception as error:  # onnxruntime's own classes derive from Exception alone
            where = self.signature.model.name
            raise ProviderError(f"{where}: {first_line(error)}") from error
        return np.asarray(parts[0] if len(parts) == 1 else np.concatenate(parts), np.float32)

    def close(self) -> None:
        """Release the device; closing twice is allowed."""
        self._session = None


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
    options, chosen = _options(provider), [(provider.name, provider.options), *provider.behind]
    if provider.plugin:
        options.add_provider_for_devices([availability.plugin_device(provider)], provider.options)
        chosen = []
    try:
        with nullcontext() if provider.name == availability.PROCESSOR else on_stderr():
            # onnxruntime's own fallback would be quiet, when loading and at any frame.
            session = ort.InferenceSession(model, options, chosen, enable_fallback=0)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise ProviderError(f"{model}: {first_line(error)}") from error
    if session.get_providers()[0] != provider.name:
        raise ProviderMissing(
            f"{provider.name}: cannot be built here; ran on {', '.join(session.get_providers())}"
        )
    return OnnxSession(model, session, provider)


def _options(provider: ExecutionProvider) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = provider.threads
    if provider.exact:
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
    session: ort.InferenceSession, provider: ExecutionProvider, metadata: dict[str, str]
) -> Placement:
    nodes = [
        Node(node.name, node.op_type, part.ep_name)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    ]
    flops = json.loads(metadata.get(FLOPS, "{}"))
    return placement.placed(provider.name, nodes, flops, Proof.ASSIGNMENT)
