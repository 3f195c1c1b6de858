"""``FILE.pt2``: a program of ``torch.export``, weights and all.

A program for one image only goes the way of a foreign ONNX file, which can be freed of its batch.
``torch.export.load`` unpickles: like any pickle, open only files from those you trust.
"""

import logging
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from edgecls.errors import ExportError
from edgecls_exporters.foreign import Foreign, Layout, freed
from edgecls_exporters.original import Found
from edgecls_exporters.torch_graph import one_image_graph
from edgecls_runtime.reasons import first_line


class Exported(nn.Module):
    """A loaded program as a module: it has no training mode, and raises when asked to leave it."""

    def __init__(self, program: ExportedProgram) -> None:
        """Unlift the program."""
        super().__init__()
        self.program = program.module()

    def train(self, mode: bool = True) -> "Exported":  # noqa: ARG002 - the signature of nn.Module
        """Stay as exported."""
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised float32 (n, 3, height, width) to logits (n, n_logits)."""
        logits: Tensor = self.program(image)
        return logits


def build(source: str) -> Found:
    """Load the program and see what it takes.

    Raises:
        ExportError: No such program, or it takes something other than RGB images.

    """
    program = _loaded(source)
    shape = _image_shape(source, program)
    size = (int(shape[2]), int(shape[3]))
    model = Exported(program)
    if not isinstance(shape[0], int):
        return Found(model, size=size, weighted=True)
    if shape[0] != 1:
        raise ExportError(
            f"{source}: exported for batches of {shape[0]} images; expected any number; export it "
            f"with dynamic_shapes=({{0: torch.export.Dim('batch')}},)"
        )
    with torch.inference_mode():
        graph = one_image_graph(source, model, size)
    alone = Foreign(source, graph, _one_by_one(model), "image", "logits", Layout.NCHW)
    return Found(freed(alone, size), size=size, weighted=True)


def _one_by_one(model: nn.Module) -> "OneByOne":
    return OneByOne(model)


class OneByOne(nn.Module):
    """A model of one image, asked once for each."""

    def __init__(self, model: nn.Module) -> None:
        """Keep the model."""
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> Tensor:
        """Map (n, ...) to what the model says of each, (n, ...)."""
        return torch.cat([self.model(image[None]) for image in batch])


def _loaded(source: str) -> ExportedProgram:
    path = Path(source)
    if not path.is_file():
        raise ExportError(f"{source}: no such file; expected one that torch.export.save wrote")
    log = logging.getLogger("torch.export")
    before, log.disabled = log.disabled, True  # it prints its own traceback before raising
    try:
        return torch.export.load(path)
    except Exception as error:  # zipfile's, torch's and pickle's own
        raise ExportError(
            f"{source}: not a program that this torch ({torch.__version__}) can load: "
            f"{first_line(error)[:120]}; expected one that torch.export.save wrote"
        ) from error
    finally:
        log.disabled = before


def _image_shape(source: str, program: ExportedProgram) -> tuple[int | torch.SymInt, ...]:
    kinds = {spec.arg.name: spec.kind for spec in program.graph_signature.input_specs}
    users = [
        node
        for node in program.graph.nodes
        if node.op == "placeholder" and kinds.get(node.name) is InputKind.USER_INPUT
    ]
    found = [node.meta["val"] for node in users]
    tensors = [value for value in found if isinstance(value, Tensor)]
    said = ", ".join(f"{str(t.dtype).removeprefix('torch.')} {tuple(t.shape)}" for t in tensors)
    if len(found) != 1 or len(tensors) != 1 or tensors[0].dtype != torch.float32:
        raise ExportError(f"{source}: takes {said or 'no tensor'}; expected float32 (n, 3, h, w)")
    shape = tuple(tensors[0].shape)
    if len(shape) != 4 or shape[1] != 3 or not all(isinstance(side, int) for side in shape[2:]):
        raise ExportError(
            f"{source}: takes {said}; expected float32 (n, 3, height, width) of one fixed size"
        )
    return shape
