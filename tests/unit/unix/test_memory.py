"""Memory of processes, measured on real ones."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobsup.unix import memory

MB = 1 << 20


@contextmanager
def child(own: int = 0) -> Iterator[int]:
    """A fork of this process with *own* bytes more, all of them written."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        held = bytearray(os.urandom(4096)) * (own // 4096)
        os.write(writer, b"." if len(held) == own else b"!")
        signal.pause()
    assert os.read(reader, 1) == b"."
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)


def test_what_a_fork_shares_with_its_parent_counts_half() -> None:
    shared = bytearray(os.urandom(4096)) * (64 * MB // 4096)
    with child(own=32 * MB) as pid:
        whole, share = memory.resident(pid), memory.proportional(pid)

    assert len(shared) + 32 * MB <= whole
    assert 64 * MB <= share < whole - 24 * MB


def test_memory_that_was_given_back_no_longer_counts() -> None:
    before = memory.resident(os.getpid())
    held = bytearray(os.urandom(4096)) * (64 * MB // 4096)
    assert memory.resident(os.getpid()) >= before + 60 * MB
    del held
    assert memory.resident(os.getpid()) < before + 30 * MB


def test_who_is_gone_holds_nothing() -> None:
    with child() as pid:
        pass
    assert memory.resident(pid) == memory.proportional(pid) == 0


def test_where_pages_may_not_be_counted_the_whole_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = memory.resident(os.getpid())
    real = memory._sum
    monkeypatch.setattr(memory, "_sum", lambda path, names: 0 if "smaps" in path else real(path, names))

    assert memory.proportional(os.getpid()) == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize(
    ("size", "text"), [(512 * MB, "512M"), (1536 * MB, "1.5G"), (300_000_000, "286.1M"), (16 << 40, "16384G")]
)
def test_a_size_is_shown_as_the_configuration_reads_it(size: int, text: str) -> None:
    assert memory.shown(size) == text
