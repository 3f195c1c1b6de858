"""The classic faults of preprocessing, by name: each changes what a network sees.

One table of pure functions. Whether one of them explains why two sides disagree, or why a model is
less accurate than it should be, is found out in ``diagnosis``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from edgecls.manifest import Interpolation, Preprocessing, Resize
from edgecls_exporters.views import Crop, Geometry, Scaler, Triple, View, normalisation

IMAGENET: tuple[Triple, Triple] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF: tuple[Triple, Triple] = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
# Source: openai/CLIP, clip.py, _transform.
CLIP: tuple[Triple, Triple] = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)
# What timm's and torchvision's models were evaluated with: 224 of 256, 248, 236, 232, 224 pixels.
FRACTIONS = (0.875, 0.9, 0.95, 0.9655, 1.0)


class Concern(StrEnum):
    """The part of preprocessing that a fault is about."""

    COLOUR = "colour order"
    NORMALISATION = "normalisation"
    RESIZE = "resize and crop"
    INTERPOLATION = "interpolation"


@dataclass(frozen=True, slots=True)
class Fault:
    """A known fault.

    Attributes:
        name: Short, such as ``red and blue swapped``.
        concern: What it is about.
        does: What a side with this fault does; completes "B ...".
        remedy: Where it usually comes from, and what to do.
        change: From what should be seen to what is seen with the fault; the same view where the
            fault cannot be, or would change nothing.

    """

    name: str
    concern: Concern
    does: str
    remedy: str
    change: Callable[[View], View]


def known_faults() -> tuple[Fault, ...]:
    """Return every fault of the table, the plainest first."""
    return (*_colours(), *_normalisations(), *_rules(), *_crops(), *_interpolations())


def declared_faults(mine: Preprocessing, other: Preprocessing) -> tuple[Fault, ...]:
    """Return what another declaration does otherwise, when the table has no name for it."""
    geometry = replace(other, mean=mine.mean, std=mine.std)

    def reshape(view: View) -> View:
        if other.size != mine.size:  # the network was made for its own size
            return view
        return replace(view, geometry=Geometry(geometry))

    remedy = "both declare what they do; one of them is not what training did"
    return (
        Fault(
            f"mean {_triple(other.mean)} and std {_triple(other.std)}",
            Concern.NORMALISATION,
            f"takes mean {_triple(other.mean)} and std {_triple(other.std)}",
            remedy,
            _normalises(other.mean, other.std),
        ),
        Fault(
            f"{_said_resize(geometry)}, {geometry.interpolation}",
            Concern.RESIZE,
            f"{_said_resize(geometry)}, with {geometry.interpolation}",
            remedy,
            reshape,
        ),
    )


def said(view: View, concern: Concern) -> str:
    """Say what a view does about one concern; completes "where A ..."."""
    if concern is Concern.COLOUR:
        return "sees blue, green, red" if view.swapped else "sees red, green, blue"
    if concern is Concern.INTERPOLATION:
        return f"scales with {view.geometry.declared.interpolation}"
    if concern is Concern.RESIZE:
        return _said_resize(view.geometry.declared)
    mean = tuple(-offset / (255 * f) for offset, f in zip(view.offset, view.factor, strict=True))
    std = tuple(1 / (255 * factor) for factor in view.factor)
    return f"takes mean {_triple(mean)} and std {_triple(std)}"


def _colours() -> tuple[Fault, ...]:
    def swap(view: View) -> View:
        return replace(view, swapped=not view.swapped)

    def swap_after(view: View) -> View:
        factor, offset = _reversed(view.factor), _reversed(view.offset)
        return replace(view, swapped=not view.swapped, factor=factor, offset=offset)

    name, does = "red and blue swapped", "sees red and blue swapped"
    return (
        Fault(name, Concern.COLOUR, does, "cv2.imread gives blue first; networks want RGB", swap),
        Fault(
            name,
            Concern.COLOUR,
            f"{does} behind the normalisation",
            "its first layer was trained on, or was changed to, blue first",
            swap_after,
        ),
    )


def _normalisations() -> tuple[Fault, ...]:
    def scaled(by: float) -> Callable[[View], View]:
        return lambda view: replace(view, factor=_each(lambda f: f * by, view.factor))

    def twice(view: View) -> View:
        # n(n(x) * 255): what is normalised already is taken for 0..1 and normalised again.
        factor = _each(lambda f: 255 * f * f, view.factor)
        offset = _each(lambda f, o: 255 * f * o + o, view.factor, view.offset)
        return replace(view, factor=factor, offset=offset)

    def no_mean(view: View) -> View:
        return replace(view, offset=(0.0, 0.0, 0.0))

    def no_std(view: View) -> View:
        offset = _each(lambda f, o: o / (255 * f), view.factor, view.offset)
        return replace(view, factor=(1 / 255,) * 3, offset=offset)

    plain = _normalises((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    remedy = "give --mean and --std as they were in training"
    graph = "normalisation may stand in the graph already; do it once"
    rows: tuple[tuple[str, str, str, Callable[[View], View]], ...] = (
        ("mean and std missing", "leaves mean and std out: it sees 0..1", remedy, plain),
        ("/255 missing", "leaves the division by 255 out", "scale to 0..1 first", scaled(255)),
        (
            "/255, mean and std missing",
            "leaves the whole normalisation out: it sees 0..255",
            "scale to 0..1, then give --mean and --std as they were in training",
            lambda view: scaled(255)(plain(view)),
        ),
        ("/255 twice", "divides by 255 twice", graph, scaled(1 / 255)),
        ("normalised twice", "normalises twice", graph, twice),
        ("mean and std 0.5", "takes mean and std 0.5", remedy, _normalises(*HALF)),
        (
            "ImageNet's mean and std",
            "takes ImageNet's mean and std",
            remedy,
            _normalises(*IMAGENET),
        ),
        ("CLIP's mean and std", "takes CLIP's mean and std", remedy, _normalises(*CLIP)),
        ("mean missing", "leaves the mean out", remedy, no_mean),
        ("std missing", "leaves the division by std out", remedy, no_std),
    )
    return tuple(Fault(name, Concern.NORMALISATION, does, what, f) for name, does, what, f in rows)


def _rules() -> tuple[Fault, ...]:
    def rule(resize: Resize, fill: int | None = None, *, whole: bool) -> Callable[[View], View]:
        def change(view: View) -> View:
            now = view.geometry.declared
            size = now.size if whole else now.resize_size
            return _declares(
                view,
                resize=resize,
                resize_size=size,
                fill=now.fill if fill is None else (fill,) * 3,
            )

        return change

    def crop(when: Crop) -> Callable[[View], View]:
        return lambda view: replace(view, geometry=replace(view.geometry, crop=when))

    remedy = "give --resize and --resize-size as they were in training"
    stretch, letterbox = Resize.STRETCH, Resize.LETTERBOX
    early = "crops before it resizes"
    rows: tuple[tuple[str, str, Callable[[View], View]], ...] = (
        (
            "stretched, no crop",
            "stretches the whole image, without a crop",
            rule(stretch, whole=True),
        ),
        ("stretched, then cropped", "stretches before it crops", rule(stretch, whole=False)),
        ("letterbox, black", "letterboxes on black", rule(letterbox, 0, whole=True)),
        ("letterbox, grey", "letterboxes on grey (114)", rule(letterbox, 114, whole=True)),
        ("crop before resize", f"{early}: a share of the image", crop(Crop.SHARE_BEFORE)),
        ("crop before resize", f"{early}: pixels of the camera's image", crop(Crop.PIXELS_BEFORE)),
    )
    return tuple(Fault(name, Concern.RESIZE, does, remedy, change) for name, does, change in rows)


def _crops() -> tuple[Fault, ...]:
    def crop(fraction: float) -> Callable[[View], View]:
        def change(view: View) -> View:
            height, width = view.geometry.declared.size
            # A hair more, so that 224 / 0.9655 is 232 and 224 / 0.875 stays 256.
            size = math.floor(height / fraction + 0.01), math.floor(width / fraction + 0.01)
            return _declares(view, resize=Resize.SHORTEST, resize_size=size)

        return change

    return tuple(
        Fault(
            f"crop fraction {fraction:g}",
            Concern.RESIZE,
            f"shows the network the middle {100 * fraction:g} % of the shorter side",
            "give --resize-size as it was in training: size / crop fraction",
            crop(fraction),
        )
        for fraction in FRACTIONS
    )


def _interpolations() -> tuple[Fault, ...]:
    def pillow(kind: Interpolation) -> Callable[[View], View]:
        return lambda view: _declares(view, interpolation=kind)

    def opencv(scaler: Scaler) -> Callable[[View], View]:
        return lambda view: replace(view, geometry=replace(view.geometry, scaler=scaler))

    remedy = "give --interpolation as it was in training"
    # The common ones first: where two explain as well, the first is named.
    order = sorted(Interpolation, key=lambda kind: kind not in ("bilinear", "bicubic", "nearest"))
    flags = {
        Scaler.OPENCV_LINEAR: ("cv2.INTER_LINEAR, without antialias", "without antialias"),
        Scaler.OPENCV_CUBIC: ("cv2.INTER_CUBIC, without antialias", "without antialias, cubic"),
        Scaler.OPENCV_AREA: ("cv2.INTER_AREA", "cv2.INTER_AREA"),
        Scaler.OPENCV_NEAREST: ("cv2.INTER_NEAREST", "cv2.INTER_NEAREST"),
    }
    ours = "resize as Pillow does: edgecls_runtime.preprocessing.prepare, or Pillow itself"
    concern = Concern.INTERPOLATION
    return (
        *(
            Fault(kind.value, concern, f"scales with {kind}", remedy, pillow(kind))
            for kind in order
        ),
        *(
            Fault(name, concern, f"scales like {what}", ours, opencv(scaler))
            for scaler, (what, name) in flags.items()
        ),
    )


def _normalises(mean: Triple, std: Triple) -> Callable[[View], View]:
    factor, offset = normalisation(mean, std)
    return lambda view: replace(view, factor=factor, offset=offset)


def _declares(view: View, **fields: object) -> View:
    declared = replace(view.geometry.declared, **fields)  # type: ignore[arg-type]  # fields of many types
    return replace(view, geometry=replace(view.geometry, declared=declared))


def _each(function: Callable[..., float], *values: Triple) -> Triple:
    """Apply a function channel by channel."""
    red, green, blue = map(function, *values)
    return red, green, blue


def _reversed(values: Triple) -> Triple:
    return values[2], values[1], values[0]


def _said_resize(wanted: Preprocessing) -> str:
    size, resized = ("x".join(map(str, pair)) for pair in (wanted.size, wanted.resize_size))
    if wanted.resize is Resize.SHORTEST:
        return f"covers {resized} px and cuts {size} px out"
    how = "stretches to" if wanted.resize is Resize.STRETCH else "letterboxes into"
    return f"{how} {resized} px" + ("" if size == resized else f" and cuts {size} px out")


def _triple(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
