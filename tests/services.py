"""Station files to be installed as services, and ``edgecls service`` in a process, for tests."""

import json
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

from parts import Made

WAIT_S = 60.0
ME = pwd.getpwuid(os.getuid()).pw_name


def edgecls(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgecls", "service", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
        env={**os.environ, **environment},
    )


def station(folder: Path, made: Made, *, camera: str = 'kind = "usb"', more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "line.toml"
    file.write_text(
        f"format = 1\nbundle = {json.dumps(str(made.path))}\n{more}\n[camera]\n{camera}\n"
        f'[rule]\ngood = ["good"]\n[journal]\npath = "data/verdicts.db"\n',
        encoding="utf-8",
    )
    return file


def printed(file: Path, *flags: object) -> str:
    done = edgecls("install", file, "--user", ME, "--print", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def keys(text: str) -> dict[str, str]:
    """Return the keys of a unit; of several of one name all, with spaces between."""
    found: dict[str, str] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found[key] = f"{found[key]} {value}" if key in found else value
    return found
