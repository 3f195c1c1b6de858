"""``nn.Module`` -> ONNX by torch.onnx, with an error that names what it choked on."""

import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import onnx
import torch
from onnx import ModelProto
from torch import Tensor, nn

from edgecls.errors import ExportError
from edgecls_exporters.face import OPSET
from edgecls_exporters.plain_attention import PlainAttention

OPERATOR = re.compile(r"No ONNX function found for <OpOverload\(op='([\w.]+)'")
COLOUR = re.compile(r"\x1b\[\d+m")


def torch_graph(
    source: str, module: nn.Module, example: Tensor, names: tuple[str, str], *, any_batch: bool
) -> ModelProto:
    """Export a module of one tensor in and one out.

    Args:
        source: What the user called it, for errors.
        module: In evaluation mode.
        example: An input of the wanted shape; at least two images where the batch is open.
        names: Of the graph's input and output.
        any_batch: Leave the number of images open.

    Raises:
        ExportError: PyTorch cannot export the module; names the operator and the part it is in.

    """
    dynamic = ({0: torch.export.Dim("batch")},) if any_batch else None
    try:
        try:
            return _exported(module, example, names, dynamic)
        except Exception:
            with PlainAttention() as attention:
                graph = _exported(module, example, names, dynamic)
            if not attention.met:
                raise
            return graph
    except OSError:  # a full disk is not the model's fault
        raise
    except Exception as error:  # torch.export raises what the user's module raises, and more
        said = _blamed(error, module, example, dynamic)
        raise ExportError(f"{source}: torch.onnx cannot export it: {said}") from error


def _exported(
    module: nn.Module, example: Tensor, names: tuple[str, str], dynamic: tuple[object, ...] | None
) -> ModelProto:
    with tempfile.TemporaryDirectory() as folder, _quiet():
        file = Path(folder) / "model.onnx"
        torch.onnx.export(
            module,
            (example,),
            file,
            input_names=[names[0]],
            output_names=[names[1]],
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            dynamic_shapes=dynamic,
            verbose=False,
        )
        return onnx.load(file)


def one_image_graph(source: str, module: nn.Module, size: tuple[int, int]) -> ModelProto:
    """Export a module that takes one normalised image, ``image``, and gives ``logits``."""
    example = torch.zeros(1, 3, *size)
    return torch_graph(source, module, example, ("image", "logits"), any_batch=False)


def _blamed(
    error: BaseException, module: nn.Module, example: Tensor, dynamic: tuple[object, ...] | None
) -> str:
    """Return the cause in one line, with the part of the model that it is in."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    said = COLOUR.sub("", str(cause).strip().partition("\n")[0])
    found = OPERATOR.search(str(error))
    if found is None:
        part = _part(module, _deepest(cause.__traceback__))
        return f"{said}{part}"
    operator = found[1]
    try:
        program = torch.export.export(module, (example,), dynamic_shapes=dynamic)
    except Exception:  # noqa: BLE001 - it is the explanation that fails, not the export
        return f"ONNX has no operator for {operator}"
    bare = operator.partition(".")[2]
    for node in program.graph.nodes:
        if node.op == "call_function" and bare in str(node.target):
            name, kind = list(node.meta["nn_module_stack"].values())[-1]
            kind = kind if isinstance(kind, str) else kind.__name__
            where = _own(name)
            return f"ONNX has no operator for {operator}, in {where} ({kind.rpartition('.')[2]})"
    return f"ONNX has no operator for {operator}"


def _deepest(trace: TracebackType | None) -> nn.Module | None:
    """Return the innermost module whose forward was running."""
    found = None
    while trace is not None:
        running = trace.tb_frame.f_locals.get("self")
        if isinstance(running, nn.Module):
            found = running
        trace = trace.tb_next
    return found


def _part(module: nn.Module, part: nn.Module | None) -> str:
    for name, child in module.named_modules():
        if child is part and _own(name):
            return f" (in {_own(name)}, a {type(child).__name__})"
    return ""


def _own(name: str) -> str:
    """Return a part's name in the user's model, which stands as ``model`` in our wrapper."""
    return name.removeprefix("model").removeprefix(".") or "the model itself"


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence deprecation warnings of the exporter's inside; errors still come through."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
