"""Run every check a change must pass, cheapest first; stop at the first that fails.

Arguments go to pytest. Where the variable CI is set, the slow tests run too, and tests that failed
run once more by themselves, named: cameras, brokers and virtual machines are real there, and share
the machine with others.
"""

import os
import subprocess
import sys

IN_CI = bool(os.environ.get("CI"))
ALL_TESTS = ["-m", "slow or not slow"] if IN_CI else []
PYTEST = ["pytest", "-q", "--durations=10", *ALL_TESTS, *sys.argv[1:]]
CHECKS = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["mypy"],
    ["lint-imports", "--no-logo"],
    PYTEST,
]
TESTS_FAILED = 1


def passed(check: list[str]) -> int:
    """Run one check and return its exit code."""
    print("$", *check, flush=True)
    return subprocess.run(check, check=False).returncode


for check in CHECKS:
    code = passed(check)
    if check is PYTEST and IN_CI and code == TESTS_FAILED:
        code = passed([*PYTEST, "--last-failed"])
    if code:
        sys.exit(code)
