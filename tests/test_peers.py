"""The benchmark against peers: what it reads, how it judges, and its end of the pipe."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from peers import pixels, tables, venvs
from peers.fidelity import Fidelity
from peers.model import Engine, Model
from peers.process import PeerFailed, Process
from peers.rounds import Session, Subject, Timed

ROUNDS = 3


def model(folder: Path = Path()) -> Model:
    return Model(
        "resnet50", folder, (224, 224), 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), False
    )


def timed(peer: str, engine: str, way: str, *ms: float) -> Timed:
    return Timed(Subject(peer, engine, Path(sys.executable)), way, [*ms])


def compared(
    session: list[Timed], seen: dict[tuple[str, str], Fidelity], cosine: float = 1.0
) -> tables.Compared:
    cosines: dict[str, float | None] = {t.subject.name: cosine for t in session}
    return tables.compare(model(), 1, Session(session, {}, cosines, {}), seen)


def everything(peer_ms: float, ours_ms: float) -> list[Timed]:
    return [
        timed("onnxruntime", "fp32", "network", 4, 4, 4),
        timed("onnxruntime", "fp32", "PIL", 20, 22, 24),
        timed("rival", "fp32", "network", 5, 5, 5),
        timed("rival", "fp32", "INTER_AREA", *[peer_ms] * ROUNDS),
        timed("edgecls", "fp32", "network", 2, 2, 2),
        timed("edgecls", "fp32", "halving", *[ours_ms] * ROUNDS),
    ]


def exact(session: list[Timed]) -> dict[tuple[str, str], Fidelity]:
    return {(t.subject.name, t.way): Fidelity(0.0, 0.0, None) for t in session}


@pytest.mark.parametrize("peer", venvs.names())
def test_every_peer_pins_what_it_installs(peer: str) -> None:
    wanted = venvs.requirements(peer)

    assert all("==" in package for package in (*wanted.packages, *wanted.bare))
    assert venvs.engines(peer)


def test_plain_onnxruntime_and_edgecls_come_first() -> None:
    assert venvs.names()[:2] == ["onnxruntime", "edgecls"]


def test_peers_with_the_same_requirements_share_an_environment() -> None:
    assert venvs.requirements("torch") == venvs.requirements("torchvision_onnxruntime")


def test_a_ratio_is_the_median_over_rounds_with_its_spread() -> None:
    session = everything(10, 10)

    found = compared(session, exact(session))

    row = next(row for row in found.pipelines if row.name == "rival fp32")
    assert (row.ratio, row.least, row.most) == (2.2, 2.0, 2.4)


def test_ours_is_held_against_the_fastest_peer_of_equal_fidelity() -> None:
    session = [*everything(10, 5), timed("rival", "fp32", "aliased", 1, 1, 1)]
    seen = exact(session) | {("rival fp32", "aliased"): Fidelity(2.8, 1.0, None)}

    found = compared(session, seen)

    target = found.targets[1]
    assert target.what == "frame to top-1, against the best equal peer"
    assert (target.median, target.peer) == (2.0, "rival fp32 + INTER_AREA")


def test_a_target_that_is_missed_says_by_how_much() -> None:
    session = everything(10, 10)

    text = tables.text(compared(session, exact(session)))

    assert (
        "against the best equal peer: **1.00x** (1.00 to 1.00), wanted 1.2x: MISSED by 17 %" in text
    )


def test_a_peer_with_other_answers_is_not_equal() -> None:
    session = everything(10, 5)

    found = compared(session, exact(session), cosine=0.5)

    assert not any(row.equal for row in (*found.networks, *found.pipelines))


@pytest.mark.parametrize(
    ("seen", "equal"),
    [
        (Fidelity(1.0, 3.0, 0.870), True),
        (Fidelity(1.1, 0.0, 0.870), False),
        (Fidelity(0.0, 0.0, 0.868), True),
        (Fidelity(0.0, 0.0, 0.867), False),
        (Fidelity(None, None, 0.870), False),
    ],
    ids=["one grey level", "more", "0.2 points", "0.3 points", "hidden"],
)
def test_equal_fidelity_is_one_grey_level_and_a_fifth_of_a_point(
    seen: Fidelity, *, equal: bool
) -> None:
    assert seen.equal(0.870) is equal


def test_the_pipelines_by_hand_have_the_geometry_of_the_training_transform() -> None:
    image = np.random.default_rng(0).integers(0, 256, (501, 387, 3), dtype=np.uint8)
    engine = Engine(np.asarray, lambda _: np.zeros(2, np.float32), "0")
    mode = transforms.InterpolationMode.BICUBIC
    training = transforms.Compose([transforms.Resize(256, mode), transforms.CenterCrop(224)])

    by_hand = pixels.by_hand(model(), engine, ("PIL",))["PIL"].resized

    assert by_hand is not None
    expected = np.asarray(training(Image.fromarray(image)))
    assert np.array_equal(expected, by_hand(image))


def test_a_normalised_image_is_what_the_declaration_says() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    expected = (image / 255 - model().mean) / model().std

    found = model().normalised(image)

    assert np.allclose(expected.transpose(2, 0, 1)[np.newaxis], found, atol=1e-5)


def test_a_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = model(tmp_path)
    written.write()

    assert Model.read(tmp_path) == written


def test_a_peer_that_fails_says_why_and_can_be_asked_again(tmp_path: Path) -> None:
    with Process(Path(sys.executable), "onnxruntime", 1) as process:
        for _ in range(2):
            with pytest.raises(PeerFailed, match="No such file or directory"):
                process.ask("prepare", model=tmp_path, engine="fp32")
