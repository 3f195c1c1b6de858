"""Rockchip's NPUs (RK3562 to RK3588) through their own runtime, RKNNLite; no onnxruntime.

The NPU runs files that rknn-toolkit2 compiled on an x86 PC for one kind of board. ``open`` takes
the one that stands beside a variant's ONNX file under the same name, ``model.fp32.rknn``, with the
signature that ``scripts/make_rknn.py`` wrote beside it. A bundle does not hold such files yet: they
have no hash, no golden scores and no tolerance of their own, so that a station, which holds every
variant to its golden samples, takes one only where it answers as closely as the ONNX file.

Source:
    rknn-toolkit-lite2 2.5.0, ``rknnlite/api/rknn_lite.py``. **Untested on a board**; the session
    was run on the simulator of rknn-toolkit2 (``docs/providers.md``).
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgecls import schema
from edgecls.bundle import sha256
from edgecls.errors import ProviderError, ProviderMissing
from edgecls_runtime.placement import Placement, Proof
from edgecls_runtime.protocols import Session
from edgecls_runtime.signature import Signature

NAME = "RockchipNPU"
DEVICES = ("dma_heap", "drm")


class Core(StrEnum):
    """Which of the NPU's cores (``core_mask``); an RK3566 has one, an RK3588 three."""

    AUTO = "auto"
    FIRST = "0"
    SECOND = "1"
    THIRD = "2"
    ALL = "all"


# As RKNNLite numbers them: NPU_CORE_AUTO, _0, _1, _2, _ALL.
MASKS = {Core.AUTO: 0, Core.FIRST: 1, Core.SECOND: 2, Core.THIRD: 4, Core.ALL: 0xFFFF}


class Npu(Protocol):
    """What is used of RKNNLite, and of the toolkit's simulator, once it is initialised."""

    def inference(
        self, inputs: list[NDArray[np.uint8]], *, data_format: str
    ) -> list[NDArray[np.float32]] | None:
        """Return the outputs; None after a failure, which it prints."""
        ...

    def release(self) -> object:
        """Let the NPU go."""
        ...


@dataclass(frozen=True, slots=True)
class Compiled:
    """What ``make_rknn.py`` writes beside a ``.rknn`` file.

    Attributes:
        board: What it was compiled for, such as ``rk3588``.
        onnx_sha256: SHA-256, hex, of the ONNX file it was compiled from.
        size: Height and width of the image, px.
        labels: How many scores it gives.
        metadata: The ONNX file's own.

    """

    board: str
    onnx_sha256: str
    size: tuple[int, int]
    labels: int
    metadata: dict[str, str]


class RknnSession:
    """A compiled model on an NPU; the batch is 1.

    Attributes:
        signature: What the model takes and gives.
        placement: The NPU's compiler leaves nothing elsewhere that it would tell of.

    """

    def __init__(self, npu: Npu, model: Path, compiled: Compiled) -> None:
        """Take an initialised NPU over."""
        self._npu: Npu | None = npu
        shape = (1, *compiled.size, 3)
        self.signature = Signature(
            model, shape, "tensor(uint8)", (1, compiled.labels), compiled.metadata
        )
        self.placement = Placement(NAME, {NAME: {"Compiled": 1}}, 1.0, Proof.ENGINE)

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores of a batch, as ``protocols.Session`` says."""
        return np.concatenate([self._one(batch[i : i + 1]) for i in range(len(batch))])

    def close(self) -> None:
        """Release the NPU; closing twice is allowed."""
        if self._npu is not None:
            self._npu.release()
        self._npu = None

    def _one(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        name = self.signature.model.name
        if self._npu is None:
            raise ProviderError(f"{name}: closed; open the bundle again")
        outputs = self._npu.inference([np.ascontiguousarray(image)], data_format="nhwc")
        if not outputs:
            raise ProviderError(f"{name}: the NPU failed; its own lines above say more")
        return np.array(outputs[0], np.float32).reshape(1, -1)


@dataclass(frozen=True, slots=True)
class RockchipProvider:
    """The NPU of this board."""

    core: Core
    name: str = NAME
    exact: bool = False

    def load(self, model: Path) -> Session:
        """Load the compiled file that stands beside an ONNX file.

        Raises:
            ProviderMissing: There is no RKNNLite here.
            ProviderError: There is no compiled file, it is of another model, or the NPU refuses it.

        """
        try:
            from rknnlite.api import RKNNLite  # noqa: PLC0415 - it is on boards only
        except ImportError as error:
            raise ProviderMissing(
                f"{NAME}: rknn-toolkit-lite2 is not installed; on a Rockchip board "
                f"run: pip install 'edgecls[rockchip]'"
            ) from error
        file = model.with_suffix(".rknn")
        compiled = read_compiled(model)
        npu = RKNNLite()
        if npu.load_rknn(str(file)) or npu.init_runtime(core_mask=MASKS[self.core]):
            npu.release()
            raise ProviderError(
                f"{file}: the NPU refuses it; was it compiled for this board "
                f"({compiled.board}), and is librknnrt.so installed?"
            )
        return RknnSession(npu, file, compiled)


def open(*, core: Core = Core.AUTO) -> RockchipProvider:
    """Run on the NPU.

    Args:
        core: Which of its cores.

    """
    return RockchipProvider(core)


def read_compiled(model: Path) -> Compiled:
    """Return what is said of the compiled file beside an ONNX file.

    Raises:
        ProviderError: There is none, or it was compiled from another file.

    """
    file = model.with_suffix(".rknn")
    try:
        table = json.loads(model.with_suffix(".rknn.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProviderError(
            f"{file}: not there, or without its {file.name}.json; the NPU runs only what was "
            f"compiled for it; make one with scripts/make_rknn.py on an x86 PC"
        ) from error
    compiled = schema.call(Compiled, table, f"{file}.json", ProviderError)
    if not file.is_file() or compiled.onnx_sha256 != sha256(model):
        raise ProviderError(
            f"{file}: compiled from another {model.name}; make it again with scripts/make_rknn.py"
        )
    return compiled
