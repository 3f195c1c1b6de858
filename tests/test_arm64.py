"""The wheel on an emulated ARM processor, specified: it answers there as it does here."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from parts import ARM, Made

CHECK = Path(__file__).parent.parent / "scripts" / "check_arm64.py"
MISSING = [tool for tool in ("qemu-aarch64-static", "mmdebstrap") if shutil.which(tool) is None]


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")
@pytest.mark.parametrize(
    ("processor", "debian", "python"),
    [("cortex-a76", "bookworm", "3.11"), ("cortex-a53", "trixie", "3.13")],
)
def test_the_wheel_answers_on_arm_as_here_and_to_the_byte_where_it_computes_in_integers(
    made: Made, processor: str, debian: str, python: str
) -> None:
    flags = ("--processor", processor, "--debian", debian)
    done = subprocess.run(
        [sys.executable, CHECK, made.path, *flags], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-2000:] + done.stdout
    found = json.loads(done.stdout)
    assert [each["variant"] for each in found["verify"]["variants"]] == [ARM, "fp32"]
    same = found["same_bytes"]
    assert same["there"].startswith(f"aarch64, python {python}.")
    assert all(same[what]["compared"] for what in ("decoded", "resized", "u8u8"))
    assert found["classify"]["variant"] == ARM
    assert found["run"]["parts"] == 12
