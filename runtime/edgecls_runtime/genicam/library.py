"""Import a camera library, or say how to install it."""

import importlib
import warnings
from types import ModuleType

from edgecls.errors import MissingExtra


def imported(module: str, package: str, extra: str) -> ModuleType:
    """Return a module of a library.

    Raises:
        MissingExtra: It is not installed.

    """
    try:
        with warnings.catch_warnings():
            # Wrappers made by SWIG warn when they are imported, and crash Python where a warning is
            # an error.
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(package, extra) from error
