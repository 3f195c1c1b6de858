# /// script
# dependencies = [
#   "ai-edge-litert==2.3.0", "litert-torch==0.10.0", "torch==2.14.1", "torchvision==0.29.1",
#   "numpy==2.4.6", "opencv-python-headless==5.0.0.93", "pillow==13.0.0",
# ]
# ///
"""LiteRT with XNNPACK: from PyTorch by litert-torch; int8 by ai-edge-quantizer."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peers import pixels
from peers.model import Engine, Floats, Model

ENGINES = ("fp32", "int8")


def prepare(model: Model, engine: str) -> None:
    """Convert, with the channels last as its kernels want them."""
    target = _file(model, engine)
    if not target.exists():
        (_convert if engine == "fp32" else _quantize)(model, target)


def _file(model: Model, engine: str) -> Path:
    return model.at("litert") / f"{engine}.tflite"


def _convert(model: Model, target: Path) -> None:
    import litert_torch
    import torch

    class Plain(torch.nn.Module):
        """What was exported, with a forward that can be exported again."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.export.load(model.folder / "model.pt2").module()

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.inner(image)
            return logits

    last = litert_torch.to_channel_last_io(Plain(), args=[0])
    litert_torch.convert(last, (torch.zeros(1, *model.size, 3),)).export(str(target))


def _quantize(model: Model, target: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    source = str(_file(model, "fp32"))
    work = quantizer.Quantizer(source)
    work.load_quantization_recipe(recipe.static_wi8_ai8())
    ((key, signature),) = Interpreter(source).get_signature_list().items()
    name = signature["inputs"][0]
    samples = [{name: _channels_last(floats)} for floats in model.calibration()]
    work.quantize(work.calibrate({key: samples})).export_model(str(target), overwrite=True)


def _channels_last(floats: Floats) -> Floats:
    return np.ascontiguousarray(floats.transpose(0, 2, 3, 1))


def open(model: Model, engine: str, threads: int) -> Engine:
    """Load with the XNNPACK delegate, which is the default."""
    from ai_edge_litert.interpreter import Interpreter

    loaded = Interpreter(str(_file(model, engine)), num_threads=threads)
    loaded.allocate_tensors()
    (into,), (out,) = loaded.get_input_details(), loaded.get_output_details()

    def given(floats: Floats) -> NDArray[np.generic]:
        last = _channels_last(floats)
        if into["dtype"] == np.float32:
            return last
        scale, zero = into["quantization"]
        rounded: NDArray[np.generic] = np.clip(np.round(last / scale + zero), -128, 127)
        return rounded.astype(np.int8)

    def network(values: NDArray[np.generic]) -> Floats:
        loaded.set_tensor(into["index"], values)
        loaded.invoke()
        logits = loaded.get_tensor(out["index"])[0]
        scale, zero = out["quantization"]
        if out["dtype"] != np.float32:
            logits = scale * (logits - np.float32(zero))
        return np.asarray(logits, np.float32)

    bare = Engine(given, network, f"ai-edge-litert {version('ai-edge-litert')}")
    return replace(bare, pipelines=pixels.by_hand(model, bare, pixels.GOOD))
