"""A variant and a provider become a session: the only use of onnxruntime besides ``providers/``."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edgecls.errors import ProviderError
from edgecls_runtime.providers import Provider

# ONNX Runtime's own log lines are for its developers; what goes wrong comes to us as an exception.
FATAL = 4


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded ONNX file.

    Attributes:
        model: The file, for messages.
        input_shape: As declared, such as ("batch", 224, 224, 3).
        input_type: As declared, such as ``tensor(uint8)``.
        output_shape: As declared, such as ("batch", 1000).
        metadata: The file's own ``metadata_props``.

    """

    model: Path
    input_shape: tuple[int | str, ...]
    input_type: str
    output_shape: tuple[int | str, ...]
    metadata: dict[str, str]
    _session: ort.InferenceSession
    _input: str
    _output: str

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores of a batch.

        Args:
            batch: uint8, shape (n, height, width, 3), RGB.

        Returns:
            float32, shape (n, n_labels).

        Raises:
            ProviderError: The engine failed.

        """
        try:
            (scores,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:  # onnxruntime's own classes derive from Exception alone
            raise ProviderError(f"{self.model.name}: {_first_line(error)}") from error
        return np.asarray(scores, np.float32)


def engine() -> str:
    """Return the engine's name and version."""
    return f"onnxruntime {ort.__version__}"


def load(model: Path, provider: Provider) -> Session:
    """Load an ONNX file on exactly the wanted provider.

    Raises:
        ProviderError: The file is not a model, or the provider is not to be had here. There is no
            quiet fallback: ONNX Runtime's own is switched off.

    """
    if provider.name not in ort.get_available_providers():
        raise ProviderError(
            f"{provider.name}: not in this onnxruntime {ort.__version__}; it has "
            f"{', '.join(ort.get_available_providers())}"
        )
    options = ort.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = provider.threads
    if provider.exact:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    for key, value in provider.config.items():
        options.add_session_config_entry(key, value)
    try:
        session = ort.InferenceSession(model, options, [(provider.name, provider.options)])
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise ProviderError(f"{model}: {_first_line(error)}") from error
    if session.get_providers()[0] != provider.name:
        raise ProviderError(
            f"{provider.name}: cannot be built here; ran on {session.get_providers()}"
        )
    return _wrap(model, session)


def _wrap(model: Path, session: ort.InferenceSession) -> Session:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ProviderError(
            f"{model}: {len(inputs)} inputs and {len(outputs)} outputs; expected one of each"
        )
    return Session(
        model,
        tuple(inputs[0].shape),
        inputs[0].type,
        tuple(outputs[0].shape),
        dict(session.get_modelmeta().custom_metadata_map),
        session,
        inputs[0].name,
        outputs[0].name,
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
