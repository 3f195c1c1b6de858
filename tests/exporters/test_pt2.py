"""Programs of torch.export: which become graphs, and what is said of the others."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from edgecls.errors import ExportError
from edgecls.prediction import Task
from edgecls_exporters.checkpoint import open_source
from edgecls_exporters.graph import export_graph
from edgecls_exporters.weights import Weights

SIZE = (16, 20)
SAID: dict[str, Any] = {"size": SIZE, "mean": (0.4, 0.5, 0.6), "std": (0.1, 0.2, 0.3)}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(640, 3)),
    ).eval()


def write(file: Path, model: nn.Module, *shape: int, dtype: torch.dtype = torch.float32) -> str:
    """Save a program; a first length of 1 or 4 is fixed, 2 is open."""
    dynamic = ({0: torch.export.Dim("n")},) if shape[0] == 2 else None
    program = torch.export.export(model, (torch.ones(shape, dtype=dtype),), dynamic_shapes=dynamic)
    torch.export.save(program, file)
    return str(file)


def refusal(source: str, **said: Any) -> str:  # noqa: ANN401 - fields of any type
    with pytest.raises(ExportError) as refused:
        open_source(source, 3, Task.MULTICLASS, None, said or SAID)
    text = str(refused.value)
    assert "\n" not in text
    return text.removeprefix(f"{source}: ")


@pytest.mark.parametrize("batch", [1, 2], ids=["one image", "any number"])
def test_a_program_answers_as_the_module_it_was_made_of_in_any_batch(
    tmp_path: Path, batch: int
) -> None:
    source = write(tmp_path / "net.pt2", network(), batch, 3, *SIZE)
    mean, std = (torch.tensor(SAID[key]).view(3, 1, 1) for key in ("mean", "std"))

    original = open_source(source, 3, Task.MULTICLASS, None, SAID)
    graph = export_graph(original, Task.MULTICLASS)

    runner = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    for count in (1, 2, 5):
        random = np.random.default_rng(count)
        images = random.integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)
        normalised = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std
        with torch.inference_mode():
            expected = torch.softmax(network()(normalised), 1).numpy()
            answered = torch.softmax(original.logits(normalised), 1).numpy()
        (scores,) = runner.run(None, {"image": images})
        assert np.abs(scores - expected).max() < 1e-5
        assert np.abs(answered - expected).max() < 1e-5


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 half", b"no program"])
def test_what_is_no_program_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "net.pt2"
    if content is not None:
        file.write_bytes(content)

    text = refusal(str(file))

    assert text.startswith("no such file" if content is None else "not a program that this torch")
    assert text.endswith("expected one that torch.export.save wrote")


class Bytes(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image.float().mean((2, 3))


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((2, 3, 8, 8), torch.uint8, "takes uint8 ("),
        ((2, 1, 8, 8), torch.float32, "takes float32 ("),
        (
            (4, 3, 8, 8),
            torch.float32,
            "exported for batches of 4 images; expected any number; export it with dynamic_shapes=",
        ),
    ],
)
def test_a_program_that_takes_something_else_is_refused(
    tmp_path: Path, shape: tuple[int, ...], dtype: torch.dtype, expected: str
) -> None:
    source = write(tmp_path / "net.pt2", Bytes().eval(), *shape, dtype=dtype)

    assert refusal(source).startswith(expected)


def test_preprocessing_must_be_said_and_must_fit(tmp_path: Path) -> None:
    source = write(tmp_path / "net.pt2", network(), 2, 3, *SIZE)

    said = "says nothing of its preprocessing; give --mean, --std as they were in training"
    assert refusal(source, size=SIZE) == said
    assert refusal(source, **{**SAID, "size": (8, 8)}) == "takes (16, 20) px; --size is (8, 8)"


def test_other_weights_are_not_for_a_program(tmp_path: Path) -> None:
    source = write(tmp_path / "net.pt2", network(), 2, 3, *SIZE)

    with pytest.raises(ExportError) as refused:
        open_source(source, 3, Task.MULTICLASS, Weights(Path("w.pth"), {}, None), SAID)

    assert str(refused.value) == f"{source}: has its weights inside; leave out --weights"
