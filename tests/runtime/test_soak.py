"""Thousands of faults: no part is lost or swapped, nothing hangs, and nothing grows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "soak.py"
MEMORY_MB = 5.0
LONGEST_S = 600.0

Held = dict[str, float]


def soak(faults: int) -> list[Held]:
    """Play so many faults in a process of its own, which checks what came of them."""
    command = [sys.executable, str(SOAK), str(faults)]
    # Fifty threads with a heap each keep much that nobody uses.
    heaps = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LONGEST_S, check=False, env=heaps
    )
    assert done.returncode == 0, done.stderr
    measured: list[Held] = json.loads(done.stdout)
    return measured


def test_hundreds_of_faults_on_every_way_lose_no_part_and_leave_nothing_behind() -> None:
    assert len(soak(400)) == 5


@pytest.mark.slow
def test_ten_thousand_faults_take_no_memory_no_threads_and_no_files() -> None:
    first, *_, last = measured = soak(10_000)

    assert last["memory_mb"] - first["memory_mb"] < MEMORY_MB, measured
    # An isolated camera that was just ended and opened again has both processes for a moment.
    for what in ("threads", "files", "processes"):
        assert max(held[what] for held in measured) - first[what] <= 20, measured
