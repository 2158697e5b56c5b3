"""Who used the processors while something was measured."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Instant:
    """CPU seconds so far.

    Attributes:
        at: seconds of the monotonic clock.
        workers: of the worker processes, their children, and those children that ended.
        server: of the Redis server.
        ours: of this process and of what else the measurement needs.
        everybody: that any process of the machine got.
    """

    at: float
    workers: float
    server: float
    ours: float
    everybody: float


def now(workers: Iterable[psutil.Process], server: psutil.Process, helper: psutil.Process) -> Instant:
    at, times = time.monotonic(), psutil.cpu_times()
    return Instant(
        at,
        sum(spent(process) for process in workers),
        spent(server),
        spent(psutil.Process()) + spent(helper),
        sum(times) - times.idle - times.iowait - times.guest - times.guest_nice,
    )


def spent(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        return sum(process.cpu_times()[:4])
    return 0.0


def foreign(first: Instant, last: Instant) -> float:
    """The share of the machine's processors, in percent, that others used between two instants."""
    known = sum(getattr(last, who) - getattr(first, who) for who in ("workers", "server", "ours"))
    others = last.everybody - first.everybody - known
    return max(0.0, 100 * others / ((last.at - first.at) * cores()))


def cores() -> int:
    return len(os.sched_getaffinity(0))


def load() -> float:
    """Processes that were running or wanted to, on average over the last minute."""
    return os.getloadavg()[0]
