"""The comparison runs, jobsup alone and as small as can be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
SMALL = ["--rounds", "1", "--seconds", "0.2"]


def test_a_small_run_measures_and_writes_json_and_tables(tmp_path: Path) -> None:
    results, tables = tmp_path / "results.json", tmp_path / "tables.md"
    command = [sys.executable, "-m", "benchmarks", "--scenario", "enqueue", "start", "import", *SMALL]

    done = subprocess.run(
        [*command, "--peer", "jobsup", "bare", "--json", str(results), "--markdown", str(tables)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(results.read_text())["results"]
    assert list(found) == ["enqueue", "start", "import"]
    assert all(row["rounds"] != [None] for rows in found.values() for row in rows), done.stderr
    assert "**one by one**" in tables.read_text()
    assert "enqueue 1/1" in done.stderr
