"""A bundle: the directory that travels from the build machine to the device.

Opening verifies the hash of every file, so that what runs is what was measured.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edgecls.errors import BundleError, ConfigError
from edgecls.manifest import Manifest, Preprocessing, Variant
from edgecls.prediction import Task

MANIFEST = "manifest.json"
DIGEST = "manifest.sha256"


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle.

    Attributes:
        path: The directory.
        manifest: What it says about itself.
        digest: SHA-256, hex, of ``manifest.json``, which holds the hash of every other file: it
            names exactly this bundle.

    """

    path: Path
    manifest: Manifest
    digest: str

    @classmethod
    def open(cls, path: Path | str) -> "Bundle":
        """Open a bundle and check that no file of it was changed.

        Raises:
            BundleError: Not a bundle, of another format, or a file is missing or altered.

        """
        path = Path(path)
        try:
            raw = (path / MANIFEST).read_bytes()
        except OSError as error:
            found = "not a directory" if path.exists() else "no such directory"
            found = f"no {MANIFEST} in it" if path.is_dir() else found
            raise BundleError(
                f"{path}: {found}; expected a bundle made by edgecls export"
            ) from error
        manifest = Manifest.from_json(raw, str(path / MANIFEST))
        bundle = cls(path, manifest, hashlib.sha256(raw).hexdigest())
        bundle._check(MANIFEST, _stated_digest(path))
        for file, expected in manifest.files.items():
            bundle._check(file, expected)
        return bundle

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the scores."""
        return self.manifest.labels

    @property
    def task(self) -> Task:
        """How scores are read."""
        return self.manifest.task

    @property
    def preprocessing(self) -> Preprocessing:
        """From image to network input."""
        return self.manifest.preprocessing

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The ONNX files, the preferred one first."""
        return self.manifest.variants

    def variant(self, name: str = "auto") -> Variant:
        """Return a variant by name, or the preferred one.

        Raises:
            ConfigError: The bundle has no such variant.

        """
        if name == "auto":
            return self.variants[0]
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = ", ".join(variant.name for variant in self.variants)
        raise ConfigError(f"{self.path}: no variant {name!r}; it has {known}")

    def _check(self, file: str, expected: str) -> None:
        whole = self.path / file
        if not whole.resolve().is_relative_to(self.path.resolve()):
            raise BundleError(f"{whole}: a link that leaves the bundle; copy the file into it")
        try:
            found = sha256(whole)
        except OSError as error:
            raise BundleError(f"{whole}: {error.strerror}; was the bundle copied whole?") from error
        if found != expected:
            raise BundleError(
                f"{whole}: altered: its SHA-256 is {found[:12]}..., "
                f"expected {expected[:12]}...; copy the bundle again or export it anew"
            )


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file's content, hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _stated_digest(path: Path) -> str:
    try:
        return (path / DIGEST).read_text(encoding="ascii").split()[0]
    except (OSError, ValueError, IndexError) as error:
        raise BundleError(
            f"{path / DIGEST}: missing or empty; was the bundle copied whole?"
        ) from error


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Hash every file of a folder into the manifest and write it there; return it as written."""
    own = (folder / MANIFEST, folder / DIGEST)
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f not in own)
    hashes = {file.relative_to(folder).as_posix(): sha256(file) for file in files}
    sealed = replace(manifest, files=hashes)
    (folder / MANIFEST).write_text(sealed.to_json(), encoding="utf-8")
    # In the form of the sha256sum tool: `sha256sum -c manifest.sha256` checks it without edgecls.
    stated = f"{sha256(folder / MANIFEST)}  {MANIFEST}\n"
    (folder / DIGEST).write_text(stated, encoding="ascii")
    return sealed


@contextmanager
def writing(target: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a folder to fill; it becomes ``target`` only if nothing was raised.

    Args:
        target: Where the bundle shall stand.
        force: Replace a bundle that stands there; anything else is never replaced.

    Raises:
        BundleError: Something stands at ``target``.

    """
    refuse_existing(target, force=force)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent)
    except OSError as error:
        raise BundleError(f"{target}: {error.strerror}; choose another --to") from error
    with beside as held:
        folder = Path(held) / target.name
        folder.mkdir()
        yield folder
        refuse_existing(target, force=force)  # again: it may have appeared meanwhile
        replaced = Path(held) / "replaced"
        if target.exists():
            target.rename(replaced)
        try:
            folder.rename(target)
        except OSError:
            if replaced.exists():
                replaced.rename(target)
            raise


def refuse_existing(target: Path, *, force: bool) -> None:
    """Raise BundleError when writing to ``target`` would destroy something not ours to replace."""
    if any(parent.is_file() for parent in target.parents):
        raise BundleError(f"{target}: its folder is a file; choose another --to")
    if not target.name:
        raise BundleError(f"{target}: has no name of its own; choose another --to")
    if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target / MANIFEST).is_file():
        raise BundleError(f"{target}: exists and is not a bundle; choose another --to")
    if not force:
        raise BundleError(f"{target}: exists; choose another --to, or give --force to replace it")
