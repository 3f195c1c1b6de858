"""What a model is fed to see how it computes, and how its answers are read.

A bundle says all of it. A bare ONNX file says the shape and type of its inputs; what its images
went through in training is for the user to say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ValueInfoProto, helper

from edgecls.bundle import Bundle
from edgecls.errors import ConfigError
from edgecls.manifest import Preprocessing
from edgecls.prediction import Prediction
from edgecls.progress import track
from edgecls_exporters.saturation_check import Answer
from edgecls_runtime.golden import read
from edgecls_runtime.images import Labelled, find_labelled, readable
from edgecls_runtime.preprocessing import prepare

Array = NDArray[Any]
FLOATS = (np.dtype(np.float32), np.dtype(np.float16))
TEXT = "overflow: images"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for.

    Attributes:
        data: Folder of images, by label or flat; None takes golden samples, or seeded noise.
        images: No more than this.
        size: (height, width), px, where the file does not say; None takes the file's.
        mean: Of 0..1 RGB, subtracted for a file of float input.
        std: Likewise, divided by.
        seed: Of the noise.

    """

    data: Path | None = None
    images: int = 16
    size: tuple[int, int] | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fed:
    """Inputs for a model.

    Attributes:
        said: What they are, for people.
        inputs: By the names of the model's inputs; made one at a time.
        answer: Reads the model's outputs.
        skipped: Grows by the message of each file that is no image.

    """

    said: str
    inputs: Iterator[dict[str, Array]]
    answer: Answer
    skipped: list[str] = field(default_factory=list)


def for_bundle(bundle: Bundle, inputs: list[ValueInfoProto], wanted: Wanted) -> Fed:
    """Feed a bundle's variant: images of a folder, or its golden samples.

    Raises:
        ConfigError: A flag that contradicts the bundle, or no images.

    """
    for flag, value in (("size", wanted.size), ("mean", wanted.mean), ("std", wanted.std)):
        if value is not None:
            raise ConfigError(f"--{flag}: a bundle declares its own preprocessing; leave it out")
    name = inputs[0].name
    skipped: list[str] = []
    if wanted.data is None:
        samples = [sample.file for sample in read(bundle.path)][: wanted.images]
        data = [Labelled(bundle.path / file, None) for file in samples]
        said = f"{len(data)} golden samples of the bundle"
    else:
        data = _spread(find_labelled(wanted.data), wanted.images)
        said = f"{len(data)} images of {wanted.data}, prepared as the bundle declares"
    found = readable(track(data, TEXT, len(data)), skipped)
    prepared = ({name: prepare(image, bundle.preprocessing)[np.newaxis]} for _, image in found)

    def answer(outputs: list[Array]) -> object:
        thresholds = bundle.manifest.thresholds
        return Prediction(outputs[0][0], bundle.labels, bundle.task, thresholds).present

    return Fed(said, prepared, answer, skipped)


def for_file(inputs: list[ValueInfoProto], wanted: Wanted) -> Fed:
    """Feed a bare ONNX file: images of a folder, or seeded noise in the shape it declares.

    Raises:
        ConfigError: Its input takes no images, or its shape is not known.

    """
    if wanted.data is None:
        return _noise(inputs, wanted)
    shape, kind, channels = _image_input(inputs, wanted)
    size = tuple(length for axis, length in enumerate(shape) if axis not in (0, channels))
    mean, std = wanted.mean or (0.0, 0.0, 0.0), wanted.std or (1.0, 1.0, 1.0)
    pixels = Preprocessing((size[0], size[1]), (size[0], size[1]), mean=mean, std=std)
    data = _spread(find_labelled(wanted.data), wanted.images)
    skipped: list[str] = []
    said = f"{len(data)} images of {wanted.data}, shortest side to {min(size)}, centre crop to "
    said += f"{size[0]}x{size[1]}, " + (
        f"0..1, mean {_list(mean)}, std {_list(std)}" if kind in FLOATS else "as bytes"
    )

    def made() -> Iterator[dict[str, Array]]:
        for _, image in readable(track(data, TEXT, len(data)), skipped):
            values: Array = prepare(image, pixels)
            if kind in FLOATS:
                values = ((values / 255 - mean) / std).astype(kind)
            values = values if channels == 3 else np.moveaxis(values, -1, 0)
            yield {inputs[0].name: np.repeat(values[np.newaxis], shape[0], axis=0)}

    return Fed(said, made(), _highest, skipped)


def _image_input(
    inputs: list[ValueInfoProto], wanted: Wanted
) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return the one input's shape and type, and which of its axes are the channels."""
    shapes = [_dims(value) for value in inputs]
    dims = shapes[0] if shapes else ()
    channels = next((axis for axis in (1, 3) if len(dims) == 4 and dims[axis] == 3), None)
    if len(inputs) != 1 or channels is None:
        found = ", ".join(f"{v.name} {_list(d)}" for v, d in zip(inputs, shapes, strict=True))
        raise ConfigError(
            f"--data: the model takes {found}; expected one input of (n, 3, height, width) or "
            f"(n, height, width, 3); leave --data out to feed noise"
        )
    kind = _type(inputs[0])
    if kind not in (*FLOATS, np.dtype(np.uint8)):
        raise ConfigError(f"--data: {inputs[0].name} is {kind}; expected float or uint8 pixels")
    return _shape(inputs[0], wanted), kind, channels


def _noise(inputs: list[ValueInfoProto], wanted: Wanted) -> Fed:
    shapes = {value.name: (_shape(value, wanted), _type(value)) for value in inputs}
    said = "; ".join(f"{name} {kind} {_list(shape)}" for name, (shape, kind) in shapes.items())

    def made() -> Iterator[dict[str, Array]]:
        for number in track(range(wanted.images), TEXT, wanted.images):
            random = np.random.default_rng((wanted.seed, number))
            yield {name: _drawn(random, *found) for name, found in shapes.items()}

    return Fed(f"{wanted.images} times seeded noise, no real data: {said}", made(), _highest)


def _drawn(random: np.random.Generator, shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
    """Draw a normal distribution for floats, every value for bytes, 0 and 1 for other integers."""
    if kind.kind == "f":
        return random.standard_normal(shape).astype(kind)
    if kind.itemsize == 1 and kind.kind in "iu":
        limits = np.iinfo(kind)
        return random.integers(limits.min, limits.max, shape, kind, endpoint=True)
    return random.integers(0, 2, shape).astype(kind)


def _shape(value: ValueInfoProto, wanted: Wanted) -> tuple[int, ...]:
    """Return an input's shape, one image where the batch is free."""
    dims = _dims(value)
    if dims and not dims[0]:
        dims = (1, *dims[1:])
    if wanted.size is not None and len(dims) == 4:
        channels = 3 if dims[3] == 3 else 1
        free = [axis for axis in (1, 2, 3) if axis != channels]
        for axis, length in zip(free, wanted.size, strict=True):
            if dims[axis] not in (0, length):
                raise ConfigError(
                    f"--size: {_list(wanted.size)}; {value.name} is {_list(dims)}; leave it out"
                )
            dims = (*dims[:axis], length, *dims[axis + 1 :])
    if 0 in dims:
        raise ConfigError(
            f"{value.name}: its shape is {_list(dims)}, ? being free; "
            f"give --size for images, or a file of fixed shapes"
        )
    return dims


def _dims(value: ValueInfoProto) -> tuple[int, ...]:
    """Return the declared lengths, 0 where one is free."""
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _type(value: ValueInfoProto) -> np.dtype[Any]:
    return np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))


def _highest(outputs: list[Array]) -> object:
    """Read the place of the highest number of each row, where the first output is a table."""
    first = outputs[0]
    return tuple(first.argmax(axis=1)) if first.ndim == 2 and first.shape[1] > 1 else None


def _spread(data: list[Labelled], most: int) -> list[Labelled]:
    """Choose evenly over a folder, so that every label has its turn."""
    places = np.linspace(0, len(data) - 1, min(most, len(data))).astype(int)
    return [data[i] for i in places]


def _list(values: tuple[float, ...]) -> str:
    return "x".join(f"{v:g}" if v or isinstance(v, float) else "?" for v in values)
