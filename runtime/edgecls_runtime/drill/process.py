"""The process of a drill's station: ``python -m edgecls_runtime.drill.process PLAN``.

It does what ``edgecls run`` does with the station of a plan, and what JSON lines on stdin tell it:
lose its provider for a while, have its clock set. It ends with its stdin: never without its drill.
"""

import sys
from importlib import import_module
from pathlib import Path

from edgecls_runtime.drill import wrong_clock


def main() -> int:
    """Run the station until it is told to stop; return the exit code."""
    wrong_clock.install()
    # Behind the clock: what reads it, when it is imported already, reads this one.
    code: int = import_module("edgecls_runtime.drill.drilled").run(Path(sys.argv[1]))
    return code


if __name__ == "__main__":
    sys.exit(main())
