"""A peer's own environment, made on first use from the block at the top of its file."""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
BLOCK = re.compile(r"^# /// script\n((?:#.*\n)+?)# ///$", re.MULTILINE)
OURS = "edgecls"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a peer's file says about itself.

    Attributes:
        packages: For pip, pinned.
        bare: For pip, without their dependencies.
        needs: What the peer cannot do, and why; empty when nothing is known.

    """

    packages: tuple[str, ...]
    bare: tuple[str, ...]
    needs: str


def names() -> list[str]:
    """Return the peers: the files of this folder with such a block, plain onnxruntime first."""
    found = sorted(f.stem for f in HERE.glob("*.py") if BLOCK.search(f.read_text(encoding="utf-8")))
    return sorted(found, key=lambda name: (name != "onnxruntime", not ours(name)))


def ours(peer: str) -> bool:
    """Return whether a peer is edgecls, on whatever engine."""
    return peer.split("_", maxsplit=1)[0] == OURS


def requirements(peer: str) -> Requirements:
    """Read a peer's block (PEP 723)."""
    found = BLOCK.search((HERE / f"{peer}.py").read_text(encoding="utf-8"))
    assert found is not None  # noqa: S101 - ``names`` took only those
    text = "".join(line[1:].removeprefix(" ") + "\n" for line in found[1].splitlines())
    block = tomllib.loads(text)
    own = block.get("tool", {}).get("edgecls", {})
    return Requirements(
        tuple(block["dependencies"]), tuple(own.get("no-deps", ())), own.get("needs", "")
    )


def engines(peer: str) -> tuple[str, ...]:
    """Return a peer's ``ENGINES`` without importing it."""
    tree = ast.parse((HERE / f"{peer}.py").read_text(encoding="utf-8"))
    (found,) = (
        part.value
        for part in tree.body
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "ENGINES"
    )
    names: tuple[str, ...] = ast.literal_eval(found)
    return names


def python(peer: str, folder: Path) -> Path:
    """Return a peer's interpreter; peers with the same requirements share an environment.

    Raises:
        RuntimeError: pip does not install it; says why.

    """
    if peer == OURS:
        return Path(sys.executable)
    wanted = requirements(peer)
    key = hashlib.sha256(repr((wanted.packages, wanted.bare, sys.version_info[:2])).encode())
    place = folder / key.hexdigest()[:12]
    program = place / "bin" / "python"
    done = place / "installed.txt"
    if not done.exists():
        print(f"{peer}: installing into {place}", file=sys.stderr, flush=True)
        venv.create(place, with_pip=True, clear=True)
        _pip(program, [*wanted.packages])
        if wanted.bare:
            _pip(program, ["--no-deps", *wanted.bare])
        done.write_text("\n".join((*wanted.packages, *wanted.bare)) + "\n", encoding="utf-8")
    return program


def _pip(program: Path, arguments: list[str]) -> None:
    command = [str(program), "-m", "pip", "install", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise RuntimeError((said or ["pip failed without a word"])[0])
