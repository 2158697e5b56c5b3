"""Fixtures of the tests that run real processes."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import eventually

sys.path.insert(0, str(Path(__file__).parent))

from running import Parent, alive


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
