"""The chaos run and the soak in their short forms."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.system
def test_random_faults_for_a_quarter_of_a_minute_lose_nothing_and_repeat_nothing_without_a_reason(tmp_path):
    result = tmp_path / "result.json"
    command = [sys.executable, "-m", "benchmarks.chaos", "--jobs", "2000", "--kills", "10", "--seconds", "15"]
    run = subprocess.run(
        [*command, "--seed", "1", "--processes", "4", "--json", str(result)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    told = json.loads(result.read_text())
    assert told["lost"]["count"] == 0
    assert told["ended"] >= 2000
    assert sum(told["faults"].values()) >= 10


@pytest.mark.system
def test_full_load_for_a_quarter_of_a_minute_leaves_memory_descriptors_and_threads_flat(tmp_path):
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes", "0.25", "--json", str(tmp_path / "result.json")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    told = json.loads((tmp_path / "result.json").read_text())
    assert told["runs"]["counted"] == told["runs"]["expected"] > 1000
