"""Keep what C libraries print off stdout, which is for data."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def on_stderr() -> Iterator[None]:
    """Send to stderr what a library prints to stdout; elsewhere than on POSIX, do nothing."""
    if os.name != "posix" or sys.stdout is None:
        yield
        return
    c_library = ctypes.CDLL(None)
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        c_library.fflush(None)  # what C holds back would come out after the way back
        os.dup2(kept, 1)
        os.close(kept)
