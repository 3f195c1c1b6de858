"""The declaration handed to the runtime against the source's own Pillow code, byte for byte."""

from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from edgecls.errors import ExportError
from edgecls.manifest import Interpolation, Preprocessing, Resize
from edgecls_exporters.checkpoint import Transform
from edgecls_exporters.transforms import declared, from_timm, from_torchvision, reference
from edgecls_runtime.preprocessing import prepare

# (height, width): tall, wide, threads, tiny, even and odd, just the crop, just the resized size.
SHAPES = [(301, 97), (97, 301), (400, 23), (23, 400), (1, 1), (3, 2), (2, 3), (7, 90)]
SHAPES += [(48, 48), (64, 64), (65, 63), (100, 100), (48, 64), (54, 54), (55, 54), (131, 254)]
NAMES = ["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]


def photo(shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)


def bytes_of(transform: Transform, image: NDArray[np.uint8], wanted: Preprocessing) -> Any:  # noqa: ANN401 - an array
    """Run the source's own transform and undo its normalisation."""
    normalised = transform(Image.fromarray(image)).double()
    mean, std = (
        torch.tensor(v, dtype=torch.float64).view(3, 1, 1) for v in (wanted.mean, wanted.std)
    )
    values = (normalised * std + mean) * 255
    rounded = values.round()
    assert (values - rounded).abs().max() < 1e-2
    return rounded.byte().permute(1, 2, 0).numpy()


def assert_same_bytes(transform: Transform, wanted: Preprocessing) -> None:
    for shape in SHAPES:
        image = photo(shape)

        prepared = prepare(image, wanted)

        assert np.array_equal(prepared, bytes_of(transform, image, wanted)), shape


def settings(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - values of any type
    return {
        "input_size": (3, 48, 48),
        "interpolation": "bilinear",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "crop_pct": 0.875,
        "crop_mode": "center",
        **changes,
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("crop_pct", [0.875, 0.95, 1.0])
@pytest.mark.parametrize("size", [(48, 48), (40, 56), (57, 31)], ids=["square", "wide", "tall"])
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
def test_a_timm_config_is_carried_out_to_the_byte(
    mode: str, size: tuple[int, int], crop_pct: float, name: str
) -> None:
    config = settings(input_size=(3, *size), crop_mode=mode, crop_pct=crop_pct, interpolation=name)
    transform = timm.data.create_transform(**config, is_training=False)

    wanted = from_timm(config)

    assert_same_bytes(transform, wanted)


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize(("crop", "resize"), [(48, 48), (48, 54), (47, 64)])
def test_a_torchvision_preset_is_carried_out_to_the_byte(crop: int, resize: int, name: str) -> None:
    preset = ImageClassification(
        crop_size=crop, resize_size=resize, interpolation=InterpolationMode(name)
    )

    wanted = from_torchvision(preset)

    assert_same_bytes(preset, wanted)


@pytest.mark.parametrize("resize", list(Resize))
@pytest.mark.parametrize("name", list(Interpolation))
@pytest.mark.parametrize(
    ("size", "resize_size"), [((48, 48), (48, 48)), ((40, 56), (40, 56)), ((41, 50), (60, 55))]
)
def test_what_the_users_flags_declare_is_what_the_reference_does(
    size: tuple[int, int], resize_size: tuple[int, int], name: Interpolation, resize: Resize
) -> None:
    wanted = declared(
        {"size": size, "resize_size": resize_size, "resize": resize, "interpolation": name}
    )

    transform = reference(wanted)

    assert_same_bytes(transform, wanted)


def test_every_classifier_preset_of_torchvision_can_be_declared() -> None:
    names = torchvision.models.list_models(module=torchvision.models)

    presets = [torchvision.models.get_model_weights(name).DEFAULT.transforms() for name in names]

    found = [from_torchvision(preset) for preset in presets]
    assert len(found) > 70
    assert {wanted.resize for wanted in found} == {Resize.SHORTEST}


def test_every_pretrained_config_of_timm_can_be_declared_or_says_why_not() -> None:
    refused = set()
    for name in timm.list_pretrained():
        config = timm.get_pretrained_cfg(name)
        assert config is not None
        try:
            from_timm(timm.data.resolve_data_config(config.to_dict()))
        except ExportError as error:
            refused.add(str(error))

    (text,) = refused
    assert text.startswith("the model's crop fraction is 1.15, which frames every photo in black;")
    assert text.endswith("wrap the model in a function and say --size, --mean and --std")


def test_without_a_crop_fraction_timm_means_seven_eighths() -> None:
    assert from_timm(settings(crop_pct=None)).resize_size == (54, 54)


def test_a_letterbox_of_timm_is_filled_with_the_mean() -> None:
    wanted = from_timm(settings(crop_mode="border", crop_pct=1.0))

    prepared = prepare(np.zeros((10, 20, 3), np.uint8), wanted)

    assert prepared[0, 0].tolist() == [124, 116, 104]
    assert prepared[24, 24].tolist() == [0, 0, 0]


def test_a_model_of_one_channel_is_refused() -> None:
    with pytest.raises(ExportError) as refused:
        from_timm(settings(input_size=(1, 48, 48), mean=(0.5,), std=(0.5,)))

    assert str(refused.value) == "the model wants 1 channels; expected 3, RGB"


def test_an_interpolation_that_pillow_does_not_have_is_refused() -> None:
    with pytest.raises(ExportError) as refused:
        from_timm(settings(interpolation="mitchell"))

    assert str(refused.value) == (
        "interpolation 'mitchell': unknown; expected one of nearest, box, bilinear, hamming, "
        "bicubic, lanczos"
    )
