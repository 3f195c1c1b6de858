"""A foreign file with wrongly guessed preprocessing: labelled images say so."""

from pathlib import Path

import pytest
import torch

from edgecls_exporters.export import export
from edgecls_exporters.inputs import Job
from parts import LABELS, NETWORK, PREPROCESSING, SIZE

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


class Theirs(torch.nn.Module):
    """The trained network behind ImageNet's normalisation, which it undoes."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        mean, std = (torch.tensor(IMAGENET[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
        scores: torch.Tensor = self.network((image * std + mean - 0.4) / 0.2)
        return scores


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory, checkpoint: tuple[Path, Path]) -> Path:
    """Return the trained network as somebody else would export it: float in, logits out."""
    module: dict[str, object] = {}
    exec(NETWORK, module)  # noqa: S102 - the text of tests/parts.py
    network: torch.nn.Module = module["network"]()  # type: ignore[operator]
    network.load_state_dict(torch.load(checkpoint[1], weights_only=True))
    file = tmp_path_factory.mktemp("foreign") / "theirs.onnx"
    example = (torch.zeros(2, 3, *SIZE),)
    batch = ({0: torch.export.Dim("batch")},)
    torch.onnx.export(
        Theirs(network).eval(),
        example,
        file,
        dynamo=True,
        dynamic_shapes=batch,
        external_data=False,
    )
    return file


def job(foreign: Path, photos: Path, folder: Path, **overrides: object) -> Job:
    labels = folder / "labels.txt"
    labels.write_text("\n".join(LABELS), encoding="utf-8")
    return Job(
        str(foreign),
        folder / "theirs.bundle",
        data=photos,
        labels=labels,
        overrides={**PREPROCESSING, **overrides},
        max_drop=100.0,
        targets=("x86-avx2",),
    )


@pytest.mark.filterwarnings("ignore")  # torch.onnx deprecates parts of itself
def test_a_missing_normalisation_is_suspected_and_the_right_one_is_not(
    foreign: Path, photos: Path, tmp_path: Path
) -> None:
    none: dict[str, object] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    (tmp_path / "right").mkdir()
    (tmp_path / "wrong").mkdir()

    right = export(job(foreign, photos, tmp_path / "right", **IMAGENET))
    wrong = export(job(foreign, photos, tmp_path / "wrong", **none))

    assert right.suspicions == ()
    assert wrong.suspicions
    assert wrong.suspicions[0].startswith(f"{foreign} is right on ")
