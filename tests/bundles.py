"""Copies of a bundle that differ from it in one thing, sealed as the exporter would."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from edgecls.bundle import Bundle, seal
from edgecls_runtime.golden import FILE


def renamed(path: Path, target: Path, version: str) -> Path:
    """Copy a bundle under another version: it answers the same, and is another one."""
    shutil.copytree(path, target)
    seal(target, replace(Bundle.open(path).manifest, version=version))
    return target


def lying(path: Path, target: Path) -> Path:
    """Copy a bundle whose golden samples say what it does not answer."""
    shutil.copytree(path, target)
    golden = json.loads((target / FILE).read_text(encoding="utf-8"))
    for sample in golden["samples"]:
        sample["variants"] = {
            name: [1 - score for score in scores] for name, scores in sample["variants"].items()
        }
    (target / FILE).write_text(json.dumps(golden), encoding="utf-8")
    seal(target, Bundle.open(path).manifest)
    return target
