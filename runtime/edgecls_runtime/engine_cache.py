"""Engines that take minutes to build, kept in a folder: built ahead, and never in silence.

A folder belongs to one model file, one set of options and one version of the engine's package: a
kept engine of another is not merely slow, it is refused or wrong.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgecls import progress
from edgecls.bundle import sha256
from edgecls.errors import ProviderError, ProviderMissing
from edgecls_runtime import packages
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.protocols import Session

# Written last: without it a folder may hold half an engine.
WARMED = "warmed.json"


@dataclass(frozen=True, slots=True)
class CachedProvider:
    """A provider that keeps what it builds.

    Attributes:
        provider: Without its cache.
        root: Folder for the engines of every model; each has a folder in it.
        keeping: Returns, for a folder, the provider that builds an engine and keeps it there.
        load_kept: Loads a model with an engine that ``keeping`` left in a folder.

    """

    provider: ExecutionProvider
    root: Path
    keeping: Callable[[ExecutionProvider, Path], ExecutionProvider]
    load_kept: Callable[[ExecutionProvider, Path, Path], Session] | None = None

    @property
    def name(self) -> str:
        """ONNX Runtime's name."""
        return self.provider.name

    @property
    def exact(self) -> bool:
        """Engines are made of kernels."""
        return self.provider.exact

    def folder(self, model: Path) -> Path:
        """Return where the engine of a model is kept, or will be."""
        package = packages.installed(self.provider.package.partition("[")[0])
        settings = json.dumps([str(package), sorted(self.provider.options.items())])
        digest = hashlib.sha256(settings.encode()).hexdigest()
        return self.root / f"{model.stem}-{sha256(model)[:12]}-{digest[:8]}"

    def kept(self, model: Path) -> bool:
        """Whether an engine for a model is there."""
        return (self.folder(model) / WARMED).is_file()

    def load(self, model: Path) -> Session:
        """Load a model with its kept engine, or build one and say so on stderr.

        Raises:
            ProviderError: It cannot be loaded or built here.

        """
        folder = self.folder(model)
        if self.kept(model):
            try:
                return self._load_kept(model, folder)
            except ProviderMissing:
                raise
            except ProviderError as error:
                progress.tell(f"{error}; the engine kept in {folder} is built again")
        return self._build(model, folder)

    def _load_kept(self, model: Path, folder: Path) -> Session:
        if self.load_kept is not None:
            return self.load_kept(self.provider, model, folder)
        return self.keeping(self.provider, folder).load(model)

    def _build(self, model: Path, folder: Path) -> Session:
        self.provider.require()  # or it would be said to build what is not even here
        progress.step(
            f"{self.name}: building an engine for {model.name}; edgecls warm does it ahead"
        )
        started = time.monotonic()
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            session = self.keeping(self.provider, folder).load(model)
            seconds = round(time.monotonic() - started, 1)
            table = {"model": model.name, "provider": self.name, "seconds": seconds}
            (folder / WARMED).write_text(json.dumps(table) + "\n", encoding="utf-8")
        except OSError as error:
            if isinstance(error, ProviderError):  # which is one, too
                shutil.rmtree(folder, ignore_errors=True)
                raise
            raise ProviderError(
                f"{folder}: {error.strerror}; give the provider's cache a folder that can be "
                f"written"
            ) from error
        progress.tell(f"{self.name}: built in {seconds:.1f} s, kept in {folder}")
        return session
