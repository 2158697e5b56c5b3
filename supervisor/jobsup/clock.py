"""Time.  Deadlines are passed down, never timeouts."""

import time
from dataclasses import dataclass

FOREVER = float("inf")

# CLOCK_MONOTONIC is one clock for all processes of a host, so a deadline may be sent to a child as it is.
monotonic = time.monotonic
wall = time.time


def boottime() -> float:
    """Seconds since boot, counting the time the machine was suspended (a lease runs out in its sleep)."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock, in seconds.  Pass it down; never re-derive it."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - time.monotonic())

    def passed(self) -> bool:
        return time.monotonic() >= self.at
