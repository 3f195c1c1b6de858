"""The script behind docs/families.md, on the families whose smallest members are quick."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "families.py"


@pytest.mark.slow
def test_families_are_exported_each_in_a_process_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "families.jsonl"
    families = ["byobnet", "convnext", "mobilenetv3", "vision_transformer", "efficientnet"]
    command = [sys.executable, str(SCRIPT), "--fp32", "--results", str(file), "--only", *families]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    results = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert [result["family"] for result in results] == families
    assert all(result["export"] == "ok" for result in results)
    assert all(result["difference"] < 1e-3 for result in results)
