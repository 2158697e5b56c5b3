"""The jobs that every product runs, and the board on which they are counted.

The board is a file that all processes map into their memory: jobs are counted outside Redis, without a system call,
which would let go of the interpreter's lock after every job and so measure the scheduler, and without a lock.  Each
thread has a cell of its own, so nobody's count is lost.  Counting took 0.14 us where appending to a file took 0.47.
When the job *n* of a series started is written into the *n*-th of the stamps behind the cells.

Only the standard library: this runs in everybody's environment.  ``sidekiq.rb`` does the same in Ruby.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import threading
import time
from collections.abc import Callable
from typing import Any

CELLS = 1 << 16
STAMPS = 1 << 17

DIRECTORY = os.environ.get("BENCH_DIRECTORY", ".")
HOST = "127.0.0.1"
PORT = int(os.environ.get("BENCH_PORT", "6379"))
URL = f"redis://{HOST}:{PORT}/0"
"""TCP for everybody, because WakaQ takes no other address."""
VARIANT = os.environ.get("BENCH_VARIANT", "")
PROCESSES = int(os.environ.get("BENCH_PROCESSES", "1"))
SLOTS = int(os.environ.get("BENCH_SLOTS", "10"))
"""Jobs that a process runs at once: threads, coroutines or children, whatever the product has."""
QUEUES = [f"q{number}" for number in range(int(os.environ.get("BENCH_QUEUES", "1")))]
LEASE = 15
"""Seconds after which a dead worker's job is taken to be lost, where that is a setting of ``reliable``."""
DRAIN = 5
"""Seconds that running jobs have at a stop, where that is a setting of ``reliable``."""


class Board:
    """Counts and stamps, shared by every process of a measurement.

    1. create  an empty one, before anybody maps it
    2. count   that a job of this thread ended
    3. stamp   that job *n* started now
    4. total   of all threads
    """

    def __init__(self, directory: str) -> None:
        self._allotted = os.path.join(directory, "allotted")
        with open(os.path.join(directory, "board"), "r+b") as file:
            self._cells = memoryview(mmap.mmap(file.fileno(), 8 * (CELLS + STAMPS))).cast("Q")
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    @classmethod
    def create(cls, directory: str) -> Board:
        with open(os.path.join(directory, "board"), "wb") as file:
            file.truncate(8 * (CELLS + STAMPS))
        with open(os.path.join(directory, "allotted"), "wb"):
            pass
        return cls(directory)

    def count(self, jobs: int = 1) -> None:
        try:
            self._cells[self._mine.cell] += jobs
        except AttributeError:
            self._mine.cell = self._allot()
            self._cells[self._mine.cell] += jobs

    def stamp(self, n: int) -> None:
        self._cells[CELLS + n] = time.monotonic_ns()

    def total(self) -> int:
        return sum(self._cells[: os.path.getsize(self._allotted)])

    def stamps(self, count: int) -> list[int]:
        """Nanoseconds of the monotonic clock, which all processes of a machine share; 0 for what did not start."""
        return list(self._cells[CELLS : CELLS + count])

    def _forget(self) -> None:
        self._mine = threading.local()

    def _allot(self) -> int:
        # Appending is atomic, and through a description of our own the position after it is nobody else's.
        with open(self._allotted, "ab", buffering=0) as file:
            file.write(b".")
            return file.tell() - 1


def spin(milliseconds: float) -> None:
    """Compute for so much CPU time of this thread."""
    end = time.thread_time_ns() + int(milliseconds * 1e6)
    while time.thread_time_ns() < end:
        sum(range(2000))


def ballast(megabytes: int) -> dict[str, Any]:
    """An application that holds so many megabytes of small objects."""
    table: dict[str, Any] = {}
    goal = _resident() + (megabytes << 20)
    while megabytes and _resident() < goal:
        for n in range(len(table), len(table) + 1000):
            table[f"key {n}"] = {"name": f"name {n}", "tags": [n, str(n)]}
    return table


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE


APPLICATION = ballast(int(os.environ.get("BENCH_MEGABYTES", "0")))
BOARD = Board(DIRECTORY) if os.path.exists(os.path.join(DIRECTORY, "board")) else None
JOBS: dict[str, Callable[[Any], None]] = {
    "noop": lambda _: None,
    "nap": lambda milliseconds: time.sleep(milliseconds / 1000),
    "spin": spin,
    "stamp": lambda n: BOARD.stamp(n),
}


def run(kind: str, value: Any) -> None:
    """The job, for products that run functions in threads or processes."""
    JOBS[kind](value)
    BOARD.count()


async def arun(kind: str, value: Any) -> None:
    """The job, for products that run coroutines."""
    if kind == "nap":
        await asyncio.sleep(value / 1000)
    else:
        JOBS[kind](value)
    BOARD.count()
