"""Fixtures of the tests that run real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Parent, alive

from conftest import Server, eventually
from harness import Jobsup


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    parent = Parent(tmp_path)
    yield parent
    if hasattr(parent, "process") and parent.process.poll() is None:
        parent.process.kill()
        parent.process.wait()
    for line in parent.trace():  # nobody survives a test, whatever it found out
        for word in line[2:3]:
            if word.isdecimal() and alive(int(word)):
                eventually(lambda word=word: not alive(int(word)), within=3)


@pytest.fixture
def app(server: Server, tmp_path: Path) -> Iterator[Jobsup]:
    """A supervisor of the real command with one profile, ready to be started, on the emptied server."""
    jobsup = Jobsup(tmp_path, server)
    yield jobsup
    jobsup.tidy()
