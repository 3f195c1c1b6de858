"""The flags that declare a preprocessing where SOURCE does not know it, and how they are read."""

import argparse
from typing import Any

from edgecls.errors import ConfigError
from edgecls.manifest import Interpolation, Resize


def add_preprocessing(parser: argparse.ArgumentParser, title: str) -> None:
    """Add the flags, as a group of their own."""
    group = parser.add_argument_group(title)
    group.add_argument("--size", metavar="PX", type=int, nargs="+", help="side, or height width")
    group.add_argument("--resize-size", metavar="PX", type=int, nargs="+", help="before the crop")
    group.add_argument("--resize", type=Resize, choices=list(Resize))
    group.add_argument("--interpolation", type=Interpolation, choices=list(Interpolation))
    group.add_argument("--mean", type=float, nargs=3, help="of 0..1 RGB, as in training")
    group.add_argument("--std", type=float, nargs=3, help="of 0..1 RGB, as in training")


def overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of ``Preprocessing`` that were given.

    Raises:
        ConfigError: A size of more than two lengths, or below 1.

    """
    given = {key: getattr(arguments, key) for key in ("resize", "interpolation", "mean", "std")}
    for key in ("size", "resize_size"):
        value = getattr(arguments, key)
        if value is not None and (len(value) > 2 or min(value) < 1):
            raise ConfigError(f"--{key.replace('_', '-')}: {value}; expected one or two lengths")
        given[key] = None if value is None else (value * 2)[:2]  # a side stands for both
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
        if value is not None
    }
