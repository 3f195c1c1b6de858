"""Engines that take minutes to build, kept in a folder: built ahead, and never in silence.

A folder belongs to one model file, one set of options and one version of the engine's package: a
kept engine of another is not merely slow, it is refused or wrong.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgecls import progress
from edgecls.bundle import sha256
from edgecls.errors import ProviderError
from edgecls_runtime import packages
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.protocols import Session

# Written last: without it a folder may hold half an engine.
WARMED = "warmed.json"
Keeping = Callable[[ExecutionProvider, Path], ExecutionProvider]


@dataclass(frozen=True, slots=True)
class CachedProvider:
    """A provider that keeps what it builds.

    Attributes:
        provider: Without its cache.
        root: Folder for the engines of every model; each has a folder in it.
        building: Returns the provider that loads a model and keeps its engine in a folder.
        built: Returns, for a folder with an engine, the provider that loads it, and the file to
            load; None loads the model's own.

    """

    provider: ExecutionProvider
    root: Path
    building: Keeping
    built: Callable[[Path], Path | None] = lambda _: None

    @property
    def name(self) -> str:
        """ONNX Runtime's name."""
        return self.provider.name

    @property
    def exact(self) -> bool:
        """Engines are built for kernels."""
        return self.provider.exact

    def folder(self, model: Path) -> Path:
        """Return where the engine of a model is kept, or will be."""
        package = packages.installed(self.provider.package.partition("[")[0])
        settings = json.dumps([str(package), sorted(self.provider.options.items())])
        digest = hashlib.sha256(settings.encode()).hexdigest()
        return self.root / f"{model.stem}-{sha256(model)[:12]}-{digest[:8]}"
