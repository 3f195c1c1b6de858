"""Station files for tests of the drill."""

import json
from pathlib import Path

from parts import Made

CAMERA = {"kind": "fake", "script": ["frame"], "repeat": True, "rate_hz": 30.0}


def station(
    made: Made,
    folder: Path,
    *more: str,
    camera: dict[str, object] | None = None,
    journal: bool = True,
) -> Path:
    """Write a station file of a made bundle whose camera shows its good parts.

    Args:
        made: The bundle.
        folder: Where the file goes.
        more: Lines behind the others.
        camera: Its table, instead.
        journal: Whether it keeps one.

    """
    table = camera or {**CAMERA, "images": str(made.photos / "good")}
    lines = [
        f"bundle = {json.dumps(str(made.path))}",
        'rule = { good = ["good"] }',
        f"camera = {_inline(table)}",
        'journal = { path = "real.db" }' if journal else "",
        *more,
    ]
    file = folder / "disc line.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _inline(table: dict[str, object]) -> str:
    return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items()) + " }"
