"""The application of the chaos run.  Every job notes its start and its end outside Redis.

One line, one ``write`` on a descriptor opened with O_APPEND: lines of different processes never mix, and a process
that is killed has written a line wholly or not at all.
"""

import os
import time

from jobsup import Job

_DIRECTORY = os.environ.get("CHAOS_DIRECTORY", ".")
_LEDGER = os.open(os.path.join(_DIRECTORY, "ledger"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def note(what: str, number: int) -> None:
    os.write(_LEDGER, f"{what} {number} {os.getpid()} {time.time():.6f}\n".encode())


class Instant(Job, queue="bulk"):
    def perform(self, number: int) -> None:
        note("start", number)
        note("end", number)


class Slow(Job):
    def perform(self, number: int, seconds: float) -> None:
        note("start", number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.01)  # in pieces: an interruption can only act between them
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
