"""Run every check a change must pass, cheapest first; stop at the first that fails.

Arguments go to pytest. Where the variable CI is set, the slow tests run too.
"""

import os
import subprocess
import sys

ALL_TESTS = ["-m", "slow or not slow"] if os.environ.get("CI") else []
CHECKS = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["mypy"],
    ["lint-imports", "--no-logo"],
    ["pytest", "-q", "--durations=10", *ALL_TESTS, *sys.argv[1:]],
]

for check in CHECKS:
    print("$", *check, flush=True)
    if code := subprocess.run(check, check=False).returncode:
        sys.exit(code)
