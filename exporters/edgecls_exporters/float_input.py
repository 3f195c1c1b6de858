"""An ONNX file of ours, made to take what its network sees instead of pixels.

Such a file takes uint8 and normalises in the graph. To see what another normalisation would do, it
is given a float input, and the pixels that its own normalisation turns into the wanted values.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from edgecls_exporters.probe import quiet_session
from edgecls_exporters.views import View


def float_scores(
    file: Path, own: View
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]] | None:
    """Return normalised float32 (n, 3, h, w) -> scores (n, n_labels), or None.

    Args:
        file: Takes uint8 (n, height, width, 3), as ``graph.export_graph`` makes it.
        own: What its graph does with the pixels.

    Returns:
        None where the graph works on integers from the first node on.

    """
    model = onnx.load(file)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    # Types that were inferred for the integers are wrong now; onnxruntime infers them anew.
    del model.graph.value_info[:]
    try:
        session = quiet_session(model)
    except Exception:  # noqa: BLE001 - onnxruntime's own classes derive from Exception alone
        return None
    name = session.get_inputs()[0].name
    factor = np.array(own.factor, np.float32).reshape(1, 3, 1, 1)
    offset = np.array(own.offset, np.float32).reshape(1, 3, 1, 1)

    def scores(seen: NDArray[np.float32]) -> NDArray[np.float32]:
        pixels = ((seen - offset) / factor).transpose(0, 2, 3, 1)
        found = session.run(None, {name: np.ascontiguousarray(pixels)})
        return np.asarray(found[0], np.float32)

    return scores
