"""``package.module:factory``: a function of the user's own."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from edgecls.errors import ExportError
from edgecls_exporters.original import Found
from edgecls_runtime.reasons import first_line


def build(source: str) -> Found:
    """Import the module, call the function."""
    module, function = source.split(":", 1)
    try:
        with _this_folder():
            factory = getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever a user's own module raises
        raise ExportError(
            f"{source}: {first_line(error)}; expected a function without arguments in a module "
            f"on the Python path or in this folder"
        ) from error
    try:
        model = factory()
    except Exception as error:  # likewise
        raise ExportError(
            f"{source}: the function failed: {type(error).__name__}: {first_line(error)}; "
            f"expected it to return a torch nn.Module, without arguments"
        ) from error
    if not isinstance(model, nn.Module):
        raise ExportError(f"{source}: returned {type(model).__name__}; expected a torch nn.Module")
    return Found(model)


@contextmanager
def _this_folder() -> Iterator[None]:
    """Look for modules in the current folder too, last: it must not replace installed ones."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)
