"""Run every check a change must pass, cheapest first; stop at the first that fails."""

import subprocess
import sys

CHECKS = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["mypy"],
    ["lint-imports"],
    ["pytest", "-q"],
]

for check in CHECKS:
    print("$", *check, flush=True)
    if code := subprocess.run(check, check=False).returncode:
        sys.exit(code)
