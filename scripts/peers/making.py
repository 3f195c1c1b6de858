"""What every peer is given: networks in all forms, our bundles, photos and frames, made once.

Runs in the project's environment; everything is drawn from seeds and kept in the cache folder.
"""

import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from bench_resize import SENSOR_NOISE, camera_image, pillow
from edgecls.manifest import Preprocessing, Resampling
from edgecls_exporters.demo.training import ARCHITECTURE, imagenet
from edgecls_exporters.export import export
from edgecls_exporters.inputs import Job
from edgecls_exporters.torch_graph import one_image_graph
from edgecls_exporters.transforms import from_timm, open_upright
from edgecls_runtime.images import Labelled, find_labelled
from peers.edgecls import BUNDLE
from peers.model import Model

MODELS = (
    "mobilenetv3_small_100",
    "mobilenetv4_conv_small",
    ARCHITECTURE,
    "resnet50",
    "vit_tiny_patch16_224",
)
TARGETS = ("x86-avx2", "x86-vnni", "openvino")
LABELS, SEED = 1000, 0
CALIBRATION = 128
MADE_UP_CALIBRATION = 64
PROVEN = 60
# Of random weights nothing is learnt by more: their figures are of speed only.
FEW = 16
CHECKED = 3
LARGE = (1080, 1920)
"""Every fourth photo calibrates; the rest is answered."""
EVERY = 4
OWN_SIZE, ENLARGED, MADE_UP = 30, 6, 2


@dataclass(frozen=True, slots=True)
class Photos:
    """Real photos: those that int8 is calibrated on, and those that are answered."""

    calibration: list[Labelled]
    measured: list[Labelled]
    labels: Path

    @classmethod
    def find(cls, folder: Path, labels: Path, most: int | None = None) -> "Photos":
        """Divide DIR/<label>/*, with so many answered at most."""
        found = find_labelled(folder)
        rest = [photo for number, photo in enumerate(found) if number % EVERY]
        step = max(len(rest) // most, 1) if most else 1
        return cls(found[::EVERY], rest[::step][:most], labels)

    def truth(self) -> list[int]:
        """Return the index of each measured photo's label."""
        names = self.labels.read_text(encoding="utf-8").split()
        return [names.index(str(photo.label)) for photo in self.measured]


def network(name: str) -> nn.Module:
    """Return a network in evaluation mode: Lite0 of ImageNet, others drawn from a seed.

    A fresh network of timm is no fair load: zero-initialised scales (ResNet) let a converter drop
    whole branches, and unset statistics let activations fade to nothing. So scales are drawn, and
    statistics are taken from made-up images.
    """
    if name == ARCHITECTURE:
        return imagenet()
    torch.manual_seed(SEED)
    net: nn.Module = timm.create_model(name)
    norms = [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.2)
        norm.momentum = None  # the mean over what it sees
    images = torch.from_numpy(np.stack([_made_up(seed, 224, 224) for seed in range(8)]))
    with torch.no_grad():
        net.train()(images.permute(0, 3, 1, 2) / 64 - 2)
    return net.eval()


def _made_up(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    return camera_image(height, width, seed)


def make(name: str, folder: Path, photos: Photos | None) -> Model:
    """Return a model with everything that peers convert from, made when it is not there yet."""
    place = folder / f"{name}-{'photos' if photos else 'made-up'}"
    if (place / "model.json").exists():
        return Model.read(place)
    print(f"{name}: writing ONNX, PyTorch programs and our bundle", file=sys.stderr, flush=True)
    place.mkdir(parents=True, exist_ok=True)
    net = network(name)
    wanted = from_timm(timm.data.resolve_data_config({}, model=net))
    trained = name == ARCHITECTURE
    side = wanted.resize_size[0]
    model = Model(name, place, wanted.size, side, wanted.mean, wanted.std, trained)
    _write_forms(net, model)
    images = [*_calibration(photos, wanted)]
    np.save(place / "calibration.npy", np.stack(images))
    inputs = np.concatenate([model.normalised(image) for image in images[:CHECKED]])
    with torch.no_grad():
        np.save(place / "logits.npy", net(torch.from_numpy(inputs)).numpy())
    np.save(place / "inputs.npy", inputs)
    _export(model, photos)
    model.write()
    return model


def _write_forms(net: nn.Module, model: Model) -> None:
    example = torch.zeros(1, 3, *model.size)
    torch.save(net.state_dict(), model.folder / "weights.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's own inside
        onnx.save(one_image_graph(model.name, net, model.size), model.folder / "model.onnx")
        torch.export.save(torch.export.export(net, (example,)), model.folder / "model.pt2")
        torch.jit.trace(net, example).save(str(model.folder / "model.pt"))


def _calibration(photos: Photos | None, wanted: Preprocessing) -> Iterator[NDArray[np.uint8]]:
    if photos is None:
        for seed in range(MADE_UP_CALIBRATION):
            yield pillow(_made_up(seed, 360, 480), wanted, None)
        return
    for photo in photos.calibration[:CALIBRATION]:
        yield pillow(np.asarray(open_upright(photo.path)), wanted, None)


def _export(model: Model, photos: Photos | None) -> None:
    """Export by our exporter; the budget is open, because top-1 is measured here.

    The photos of calibration decide everything, as with the peers; few others make its report.
    """
    place = model.folder / "photos"
    proven, few = (PROVEN, CALIBRATION) if model.trained else (FEW, 2 * FEW)
    some = photos.measured[:: max(len(photos.measured) // proven, 1)] if photos else ()
    labels = photos.labels if photos else model.folder / "labels.txt"
    if photos is None:
        labels.write_text("\n".join(map(str, range(LABELS))), encoding="utf-8")
    export(
        Job(
            f"timm:{model.name}",
            model.folder / BUNDLE,
            model.folder / "weights.pth",
            labels=labels,
            data=_linked(some, place / "proof") if photos else _drawn(place),
            calibration_data=_linked(photos.calibration[:few], place / "few") if photos else None,
            targets=TARGETS,
            calibration_images=few // 2,
            choosing_images=few // 2,
            resampling=Resampling.COARSE,  # more exact rungs may stand in for it
            max_drop=100,
            force=True,
        )
    )


def _linked(photos: Sequence[Labelled], place: Path) -> Path:
    """Link photos into a folder of their own: the exporter sees no others."""
    for photo in photos:
        link = place / str(photo.label) / photo.path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(photo.path.resolve())
    return place


def _drawn(place: Path) -> Path:
    """Write made-up photos without labels."""
    place.mkdir(exist_ok=True)
    for seed in range(MADE_UP_CALIBRATION):
        Image.fromarray(_made_up(seed, 360, 480)).save(place / f"{seed:03}.png")
    return place


def frame(folder: Path) -> Path:
    """Return the 1080p frame that is timed."""
    file = folder / "frame.npy"
    if not file.exists():
        np.save(file, camera_image(*LARGE))
    return file


def fidelity_images(folder: Path, photos: Photos | None, models: list[Model]) -> list[Path]:
    """Write images and what training's resize makes of them; return a folder for each set.

    ``large``: 1080p, photos enlarged with a sensor's noise and made-up scenes. ``own``: photos at
    their own size.
    """
    sets = {"large": [*_large(photos)]}
    if photos is not None:
        step = max(len(photos.measured) // OWN_SIZE, 1)
        some = photos.measured[::step][:OWN_SIZE]
        sets["own"] = [np.asarray(open_upright(photo.path)) for photo in some]
    for name, images in sets.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for model in models:
            wanted = _declared(model)
            for number, image in enumerate(images):
                target = folder / name / f"{number:03}.{model.name}.npy"
                if not target.exists():
                    np.save(folder / name / f"{number:03}.image.npy", image)
                    np.save(target, pillow(image, wanted, None))
    return [folder / name for name in sets]


def _declared(model: Model) -> Preprocessing:
    return from_timm(timm.data.resolve_data_config({}, model=timm.create_model(model.name)))


def _large(photos: Photos | None) -> Iterator[NDArray[np.uint8]]:
    for seed in range(MADE_UP):
        yield camera_image(*LARGE, seed + 1)
    random = np.random.default_rng(SEED)
    step = max(len(photos.measured) // ENLARGED, 1) if photos else 1
    for photo in photos.measured[::step][:ENLARGED] if photos else ():
        image = open_upright(photo.path)
        scale = max(LARGE[0] / image.height, LARGE[1] / image.width)
        size = (round(image.width * scale), round(image.height * scale))
        large = np.asarray(image.resize(size, Image.Resampling.BICUBIC), np.float32)
        noise = random.standard_normal(large.shape, np.float32) * SENSOR_NOISE
        whole = np.clip(np.round(large + noise), 0, 255).astype(np.uint8)
        yield np.ascontiguousarray(whole[: LARGE[0], : LARGE[1]])


def answered_images(folder: Path, photos: Photos) -> Path:
    """Write the photos whose answers are counted, decoded."""
    place = folder / "answered"
    if not place.exists():
        place.mkdir(parents=True)
        for number, photo in enumerate(photos.measured):
            np.save(place / f"{number:04}.image.npy", np.asarray(open_upright(photo.path)))
    return place
