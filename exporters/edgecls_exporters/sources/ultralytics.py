"""What the metadata of an Ultralytics YOLO classifier say: labels and preprocessing.

An export carries ``author`` Ultralytics, ``task`` classify, ``names`` and ``imgsz`` as Python
literals and ``version``. The package itself is AGPL and is not needed: what it does to an image is
rebuilt here from its published behaviour:

- since 8.0.233 (pull request 4546) an image is resized with Pillow's antialiased bilinear filter so
  that its shorter side is ``imgsz``, cut from the centre, and divided by 255; nothing else;
- for two different lengths (since 8.3.138, pull request 16630) it is stretched to both;
- before, it was cut first and scaled with OpenCV, without antialias. That cannot be declared.

``classify_transforms`` in ultralytics/data/augment.py, as of 8.4, is the source. Exports
end in Softmax (pull request 18085 for 8.3.47); ``from_onnx`` looks, and does not assume it.
"""

import ast
import re

from edgecls.errors import ExportError
from edgecls.manifest import Interpolation, Preprocessing, Resize

FIRST = (8, 0, 233)


def recognised(said: dict[str, str]) -> bool:
    """Return whether metadata are those of Ultralytics."""
    return "ultralytics" in said.get("author", said.get("description", "")).lower()


def preprocessing(
    source: str, said: dict[str, str], overrides: dict[str, object]
) -> Preprocessing | None:
    """Return what the export's own validation did; None for another's file.

    Raises:
        ExportError: It is no classifier, or of a version that prepared images otherwise.

    """
    if not recognised(said):
        return None
    if said.get("task") != "classify":
        raise ExportError(
            f"{source}: an Ultralytics model of task {said.get('task', 'unknown')}; "
            f"expected classify"
        )
    version = tuple(map(int, re.findall(r"\d+", said.get("version", ""))[:3]))
    if version < FIRST:
        if {"size", "mean", "std"} <= set(overrides):
            return None
        raise ExportError(
            f"{source}: made by ultralytics {said.get('version', 'of unknown version')}, which "
            f"prepared images otherwise; expected {'.'.join(map(str, FIRST))} or newer; export it "
            f"again, or give --size, --mean and --std"
        )
    side = _literal(source, said, "imgsz")
    match side:
        case int(length) | [int(length)]:
            size = (length, length)
        case [int(height), int(width)]:
            size = (height, width)
        case _:
            raise ExportError(f"{source}: imgsz is {side}; expected one or two lengths")
    return Preprocessing(
        size=size,
        resize_size=size,
        resize=Resize.SHORTEST if size[0] == size[1] else Resize.STRETCH,
        interpolation=Interpolation.BILINEAR,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )


def labels(source: str, said: dict[str, str]) -> tuple[str, ...] | None:
    """Return the names in the order of the logits; None for another's file."""
    if not recognised(said):
        return None
    names = _literal(source, said, "names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or sorted(names) != list(range(len(names))) or not names:
        raise ExportError(f"{source}: its names are {str(names)[:80]}; expected 0 to n-1: name")
    return tuple(str(names[number]) for number in range(len(names)))


def _literal(source: str, said: dict[str, str], key: str) -> object:
    try:
        return ast.literal_eval(said[key])
    except (KeyError, ValueError, SyntaxError) as error:
        raise ExportError(
            f"{source}: {key} is {said.get(key, 'missing')[:80]!r}; expected a Python literal"
        ) from error
