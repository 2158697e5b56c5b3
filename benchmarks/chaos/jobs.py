"""The application of the chaos run.  Every job notes its start and its end outside Redis.

One line, one ``write`` on a descriptor opened with O_APPEND: lines of different processes never mix, and a process
that is killed has written a line wholly or not at all.
"""

import os
import time
from collections.abc import Iterable

from jobsup import IterableJob, Job

_DIRECTORY = os.environ.get("CHAOS_DIRECTORY", ".")
_LEDGER = os.open(os.path.join(_DIRECTORY, "ledger"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


_ITEM_TAKES = 0.05
"""Seconds."""


def note(what: str, number: int, *facts: int) -> None:
    more = "".join(f" {fact}" for fact in facts)
    os.write(_LEDGER, f"{what} {number} {os.getpid()} {time.time():.6f}{more}\n".encode())


def work(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.01)  # in pieces: an interruption can only act between them


class Instant(Job, queue="bulk"):
    def perform(self, number: int) -> None:
        note("start", number)
        note("end", number)


class Slow(Job):
    def perform(self, number: int, seconds: float) -> None:
        note("start", number)
        work(seconds)
        note("end", number)


class Flaky(Job, retry=5):
    """Fails the first time that it gets so far."""

    @staticmethod
    def retry_in(count: int, error: BaseException, payload: dict[str, object]) -> int:
        return 1

    def perform(self, number: int) -> None:
        note("start", number)
        try:
            os.close(os.open(os.path.join(_DIRECTORY, "failed", str(number)), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            note("end", number)
            return
        note("fail", number)
        raise RuntimeError("fails once, as planned")


class Steps(IterableJob):
    """Notes each item when it is done; one run may do a part of them."""

    def build_enumerator(self, number: int, count: int, cursor: int | None) -> Iterable[tuple[int, int]] | None:
        note("start", number)
        return self.sequence_enumerator(range(count), cursor=cursor)

    def each_iteration(self, item: int, number: int, count: int) -> None:
        work(_ITEM_TAKES)
        note("item", number, item)
        if item == count - 1:
            note("end", number)


class Patient(Job):
    """Runs until it may go: what a stop finds running is then no accident."""

    def perform(self, number: int) -> None:
        note("start", number)
        while not os.path.exists(os.path.join(_DIRECTORY, "go")):
            work(0.05)
        note("end", number)
