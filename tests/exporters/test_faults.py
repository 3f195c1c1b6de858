"""Classic faults of preprocessing, each made for real, and what ``compare`` calls them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgecls.manifest import Interpolation, Resize
from edgecls.prediction import Task
from edgecls_exporters import diagnosis, ledger
from edgecls_exporters.compare import Comparison, Job, compared
from edgecls_exporters.sides import Known, Side, Wanted, open_original
from edgecls_runtime.images import Labelled, find_labelled, read_image
from parts import LABELS, PREPROCESSING

# The small network behind each mistake that a program can make between the file and its first
# layer. It is given what is right: (pixel / 255 - 0.4) / 0.2.
MISTAKEN = """
import torch
from torch import nn
from small_network import network

M, S = 0.4, 0.2

class Mistaken(nn.Sequential):
    def __init__(self, mistake):
        super().__init__(*network())
        self.mistake = mistake

    def forward(self, seen):
        return super().forward(self.mistake(seen, seen * S + M))

def swapped(): return Mistaken(lambda seen, share: seen.flip(1))
def no_division(): return Mistaken(lambda seen, share: (255 * share - M) / S)
def raw(): return Mistaken(lambda seen, share: 255 * share)
def divided_twice(): return Mistaken(lambda seen, share: (share / 255 - M) / S)
def normalised_twice(): return Mistaken(lambda seen, share: (seen - M) / S)
def no_mean(): return Mistaken(lambda seen, share: share / S)
def no_std(): return Mistaken(lambda seen, share: share - M)

def first_layer_swapped():
    model = network()
    model.register_load_state_dict_post_hook(swap)
    return model

def swap(model, _):
    with torch.no_grad():
        model[0].weight.copy_(model[0].weight.flip(1))
"""
Opening = Callable[..., Side]


@pytest.fixture(scope="session")
def sensitive(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: tuple[Path, Path], coloured: Path
) -> Path:
    """Return weights of the small network with which it hesitates on the coloured photos.

    A network that is sure of everything answers alike whatever it sees.
    """
    made: dict[str, Any] = {}
    exec(checkpoint[0].read_text(encoding="utf-8"), made)  # noqa: S102 - the text of parts.py
    torch.manual_seed(1)
    network = made["network"]()
    images = [read_image(item.path)[18:82, 68:132] for item in find_labelled(coloured)]
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        for _ in range(50):  # batch norms take up what these photos are like
            network.train()((pixels - 0.4) / 0.2)
        logits = network.eval()((pixels - 0.4) / 0.2)
        scale = 2 / logits.std(0)
        network[-1].weight.mul_(scale[:, None])
        network[-1].bias.sub_(logits.mean(0)).mul_(scale)
    file = tmp_path_factory.mktemp("sensitive") / "sensitive.pth"
    torch.save(network.state_dict(), file)
    return file


@pytest.fixture
def opening(
    tmp_path: Path,
    checkpoint: tuple[Path, Path],
    sensitive: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Opening:
    """Return how to open the small network as a side, with other flags, factory or weights."""
    module = checkpoint[0]
    (tmp_path / "mistaken.py").write_text(MISTAKEN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(module.parent))
    monkeypatch.syspath_prepend(str(tmp_path))

    def side(
        name: str,
        source: str = "small_network:network",
        weights: Path = sensitive,
        **flags: Any,  # noqa: ANN401 - fields of any type
    ) -> Side:
        known = Known(labels=LABELS, overrides={**PREPROCESSING, **flags})
        return open_original(Wanted(name, source, weights), known)

    return side


@pytest.fixture(scope="session")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return labelled photos that are twice as wide as high, in strong colours, with fine grain."""
    random = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("coloured")
    for label in LABELS:
        (folder / label).mkdir()
        for number in range(8):
            coarse = random.integers(0, 256, (6, 12, 3)).astype(np.uint8)
            image = cv2.resize(coarse, (200, 100), interpolation=cv2.INTER_CUBIC)
            grained = image + random.normal(0, 30, image.shape)
            colours = np.clip(grained, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / label / f"{number:02}.png"), colours)
    return folder


def judged(a: Side, b: Side, data: Path) -> Comparison:
    job = Job(Wanted("A", ""), Wanted("B", ""), data, Known(), max_difference=1e-4)
    return compared(a, b, job)


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        ({"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}, "mean and std missing"),
        ({"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}, "mean and std 0.5"),
        (
            {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
            "ImageNet's mean and std",
        ),
        (
            {"mean": (0.1, 0.2, 0.3), "std": (0.3, 0.3, 0.3)},
            "mean (0.1, 0.2, 0.3) and std (0.3, 0.3, 0.3)",
        ),
        ({"resize": Resize.STRETCH}, "stretched, no crop"),
        ({"resize": Resize.LETTERBOX}, "letterbox, grey"),
        ({"resize": Resize.LETTERBOX, "fill": (0, 0, 0)}, "letterbox, black"),
        ({"resize_size": (73, 73)}, "crop fraction 0.875"),
        ({"resize_size": (67, 67)}, "crop fraction 0.95"),
        ({"resize_size": (90, 90)}, "covers 90x90 px and cuts 64x64 px out, bilinear"),
        ({"interpolation": Interpolation.BICUBIC}, "bicubic"),
        ({"interpolation": Interpolation.NEAREST}, "nearest"),
        ({"interpolation": Interpolation.LANCZOS}, "lanczos"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_declaration_that_is_wrong_is_named(
    opening: Opening, coloured: Path, flags: dict[str, Any], fault: str
) -> None:
    found = judged(opening("A"), opening("B", **flags), coloured)

    assert [explanation.faults for explanation in found.explanations] == [(fault,)]
    assert found.explanations[0].agreement == 1


@pytest.mark.parametrize(
    ("mistake", "fault"),
    [
        ("swapped", "red and blue swapped"),
        ("first_layer_swapped", "red and blue swapped"),
        ("no_division", "/255 missing"),
        ("raw", "/255, mean and std missing"),
        ("divided_twice", "/255 twice"),
        ("normalised_twice", "normalised twice"),
        ("no_mean", "mean missing"),
        ("no_std", "std missing"),
    ],
)
def test_a_mistake_that_nothing_declares_is_named(
    opening: Opening, coloured: Path, mistake: str, fault: str
) -> None:
    found = judged(opening("A"), opening("B", f"mistaken:{mistake}"), coloured)

    assert [explanation.faults for explanation in found.explanations] == [(fault,)]
    assert found.explanations[0].difference < 1e-4


Reading = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def linear(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (128, 64), interpolation=cv2.INTER_LINEAR)[:, 32:96])


def blue_first(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(linear(image)[..., ::-1])


def cropped_first(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[18:82, 68:132])  # 64 x 64 px of 100 x 200


def reading(side: Side, read: Reading) -> Side:
    """Return a side whose images are read by somebody's own code."""
    subject = side.subject()
    assert subject is not None

    def answer(data: list[Labelled]) -> ledger.Answers:
        pixels = np.stack([read(read_image(item.path)) for item in data]).astype(np.float32)
        seen = ((pixels / 255 - 0.4) / 0.2).transpose(0, 3, 1, 2)
        return ledger.answered("", subject.scores(np.ascontiguousarray(seen)), side.task, ())

    return replace(side, answer=answer, subject=lambda: None)


@pytest.mark.parametrize(
    ("read", "faults"),
    [
        (linear, ("without antialias",)),
        (cropped_first, ("crop before resize",)),
        (blue_first, ("red and blue swapped", "without antialias")),
    ],
)
def test_a_program_that_reads_images_with_opencv_is_told_what_it_does(
    opening: Opening, coloured: Path, read: Reading, faults: tuple[str, ...]
) -> None:
    found = judged(opening("A"), reading(opening("B"), read), coloured)

    assert [set(explanation.faults) for explanation in found.explanations] == [set(faults)]


def test_a_fault_is_told_in_a_sentence_to_act_on(opening: Opening, coloured: Path) -> None:
    found = judged(opening("A"), opening("B", "mistaken:swapped"), coloured)

    now = 100 * found.rows[1].agreement
    assert found.explanations[0].message == (
        "B sees red and blue swapped, where A sees red, green, blue: made to do the same, A "
        f"answers like B on 100.00 % of the images (now {now:.2f} %); "
        "cv2.imread gives blue first; networks want RGB"
    )


def test_a_fault_of_the_reference_is_told_of_the_reference_where_labels_show_it(
    opening: Opening, photos: Path, checkpoint: tuple[Path, Path]
) -> None:
    a = opening("A", "mistaken:swapped", weights=checkpoint[1])

    found = judged(a, opening("B", weights=checkpoint[1]), photos)

    assert [explanation.faults for explanation in found.explanations] == [("red and blue swapped",)]
    assert found.explanations[0].message.startswith("A sees red and blue swapped, where B sees red")


def test_another_network_is_not_explained_by_any_fault(
    opening: Opening, coloured: Path, tmp_path: Path, sensitive: Path
) -> None:
    torch.manual_seed(5)
    state = torch.load(sensitive, weights_only=True)
    other = {k: v[torch.randperm(len(v))] if v.ndim else v for k, v in state.items()}
    torch.save(other, tmp_path / "other.pth")

    found = judged(opening("A"), opening("B", weights=tmp_path / "other.pth"), coloured)

    assert found.sought
    assert found.explanations == ()


def test_labels_that_belong_to_each_other_s_scores_are_named(
    opening: Opening, photos: Path, checkpoint: tuple[Path, Path]
) -> None:
    a, b = (opening(name, weights=checkpoint[1]) for name in "AB")

    def answer(data: list[Labelled]) -> ledger.Answers:
        scores = b.answer(data).scores[:, ::-1]
        return ledger.answered("", np.ascontiguousarray(scores), b.task, ())

    found = judged(a, replace(b, answer=answer), photos)

    assert found.explanations[0].faults == ("labels in another order",)
    assert found.explanations[0].message.startswith(
        "B has its labels in another order: it says 'scratch' for 'good', 'good' for 'scratch'; "
        "put right, it answers like A on 100.00 % of the images"
    )


def test_a_guess_that_labelled_images_speak_against_is_suspected(
    opening: Opening, photos: Path, checkpoint: tuple[Path, Path]
) -> None:
    weights = checkpoint[1]
    data = find_labelled(photos)[::3]
    truth = np.array([LABELS.index(str(item.label)) for item in data], np.intp)
    right = opening("A", weights=weights).subject()
    wrong = opening("B", "mistaken:swapped", weights=weights).subject()
    assert right is not None
    assert wrong is not None

    suspicions = diagnosis.suspect(wrong, data, truth, Task.MULTICLASS)

    assert diagnosis.suspect(right, data, truth, Task.MULTICLASS) == ()
    assert suspicions[0].accuracy > 0.9
    assert suspicions[0].accuracy_before < 0.7
    assert suspicions[0].p < 0.05
