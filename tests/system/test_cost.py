"""A job costs no more Redis commands and no more calls than recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.cost import count

from conftest import Server

pytestmark = pytest.mark.system
RUNS = 3
"""Whoever disturbs a run adds to its counts, so the best of some is what jobsup itself costs."""


def test_a_job_costs_what_is_recorded_in_commands_and_calls(server: Server, tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(RUNS):
        said = count.differences(count.count(server.url, tmp_path), count.recorded())
        if not said:
            return

    pytest.fail(f"{'; '.join(said)}. If that is meant: python -m benchmarks.cost --record, and say why in the commit")
