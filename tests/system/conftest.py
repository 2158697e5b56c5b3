"""Fixtures of the tests that run real processes."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Parent, alive

from conftest import Server, eventually
from harness import Group, Jobsup


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


@pytest.fixture
def address() -> str:
    """Where probes and scrapes can be answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def small() -> Iterator[Group]:
    """Makes a control group with little memory: bytes -> what starts a command in it."""
    root = Path("/sys/fs/cgroup")
    first = (root / "memory").is_dir()
    group = root / ("memory" if first else "") / f"jobsup-test-{os.getpid()}"

    def make(limit: int) -> tuple[str, ...]:
        try:
            group.mkdir()
            (group / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(limit))
        except OSError as error:  # a container without the right to do so: nothing that can be installed
            pytest.skip(f"no memory control group can be made here: {error}")
        return ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")

    yield make
    if group.is_dir():
        eventually(lambda: not (group / "cgroup.procs").read_text().split())
        group.rmdir()
