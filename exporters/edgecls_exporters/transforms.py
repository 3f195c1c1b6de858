"""Evaluation transforms of the training world, as declarations and as Pillow code.

``reference`` deliberately uses timm's and torchvision's code and none of ours: it is what the
runtime's resize is measured against.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from timm.data.transforms import CenterCropOrPad, ResizeKeepRatio
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from edgecls.errors import ExportError, ImageError
from edgecls.manifest import Interpolation, Preprocessing, Resize
from edgecls.progress import track
from edgecls_runtime.images import Labelled, read_image

TIMM_MODES = {"center": Resize.SHORTEST, "squash": Resize.STRETCH, "border": Resize.LETTERBOX}


def from_timm(settings: dict[str, Any]) -> Preprocessing:
    """Declare a timm data config.

    Source:
        timm.data.transforms_factory.transforms_imagenet_eval, timm 1.0.

    Raises:
        ExportError: It asks for something the runtime does not do, such as one channel.

    """
    channels, height, width = settings["input_size"]
    mean, std = tuple(settings["mean"]), tuple(settings["std"])
    if channels != 3 or len(mean) != 3 or len(std) != 3:
        raise ExportError(f"the model wants {channels} channels; expected 3, RGB")
    # timm reads a crop fraction of None as 0.875.
    fraction = settings["crop_pct"] or 0.875
    if fraction > 1:
        raise ExportError(
            f"the model's crop fraction is {fraction:g}, which frames every photo in black; "
            f"expected at most 1; wrap the model in a function and say --size, --mean and --std"
        )
    return Preprocessing(
        size=(height, width),
        resize_size=(math.floor(height / fraction), math.floor(width / fraction)),
        resize=TIMM_MODES[settings.get("crop_mode") or "center"],
        interpolation=interpolation_named(settings["interpolation"]),
        mean=mean,
        std=std,
        fill=tuple(round(255 * value) for value in mean),
    )


def from_torchvision(preset: Any) -> Preprocessing:  # noqa: ANN401 - torchvision gives its presets no common type
    """Declare a torchvision ``ImageClassification`` preset."""
    return Preprocessing(
        size=(preset.crop_size[0],) * 2,
        resize_size=(preset.resize_size[0],) * 2,
        resize=Resize.SHORTEST,
        interpolation=interpolation_named(preset.interpolation.value),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def declared(fields: dict[str, Any]) -> Preprocessing:
    """Declare what the user's flags say; without a resize size nothing is cropped in a square."""
    return Preprocessing(**{"resize_size": fields["size"], **fields})


def reference(wanted: Preprocessing) -> Callable[[Image.Image], Tensor]:
    """Return the Pillow transform that a declaration stands for, made of timm and torchvision."""
    mode = InterpolationMode(wanted.interpolation.value)
    tall, wide = wanted.resize_size
    crop: Callable[[Any], Any] = transforms.CenterCrop(list(wanted.size))
    resize: Callable[[Any], Any]
    if wanted.resize is Resize.STRETCH:
        resize = transforms.Resize([tall, wide], interpolation=mode)
    elif wanted.resize is Resize.LETTERBOX:
        resize = ResizeKeepRatio(
            (tall, wide), longest=1.0, interpolation=wanted.interpolation.value
        )
        crop = CenterCropOrPad(list(wanted.size), fill=wanted.fill)
    elif tall == wide:
        resize = transforms.Resize(tall, interpolation=mode)
    else:
        resize = ResizeKeepRatio((tall, wide), interpolation=wanted.interpolation.value)
    normalise = transforms.Normalize(wanted.mean, wanted.std)
    chain: Callable[[Image.Image], Tensor] = transforms.Compose(
        [resize, crop, transforms.ToTensor(), normalise]
    )
    return chain


def check_readable(path: Path) -> None:
    """Raise ImageError for a file that Pillow, and so the original, cannot read."""
    try:
        open_upright(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: Pillow cannot read it; expected JPEG, PNG, TIFF, BMP") from error


def readable_by_both(data: list[Labelled]) -> tuple[list[Labelled], tuple[str, ...]]:
    """Decode every file as the runtime and as Pillow do, so that a broken one is named now.

    Returns:
        The files that both can read, and what is wrong with each other one.

    """
    good, skipped = [], []
    for item in track(data, "data: checking", len(data)) if data else ():
        try:
            read_image(item.path)
            check_readable(item.path)
        except ImageError as error:
            skipped.append(str(error))
        else:
            good.append(item)
    return good, tuple(skipped)


def open_upright(path: Path) -> Image.Image:
    """Open an image with Pillow as RGB, upright; 16-bit grey keeps its upper 8 bits.

    Pillow's own ``convert("RGB")`` clips 16 bits at 255 instead, which turns a photo white.
    """
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):
            image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
        return image.convert("RGB")


def interpolation_named(name: str) -> Interpolation:
    """Return Pillow's filter of a name; ExportError for one it does not have."""
    if name not in list(Interpolation):
        raise ExportError(
            f"interpolation {name!r}: unknown; expected one of {', '.join(Interpolation)}"
        )
    return Interpolation(name)
