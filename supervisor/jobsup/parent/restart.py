"""When to replace a worker that crashed, and when to give its pool up.  Pure: no clock, no dice.

Two questions, two answers.  *When*: the first crash in a while is answered at once; further ones back off
exponentially, capped and fully jittered, so that the workers of many hosts do not come back in step.
*Whether*: a sliding window as in Erlang/OTP's supervisors: more than ``most`` crashes within ``window``
seconds and the pool is given up, visibly.
"""

from dataclasses import dataclass, replace

WINDOW = 60.0
HEALTHY = 10.0
"""Seconds of work after which a crash is no sign of a worker that cannot live."""
FIRST_DELAY = 0.25
LONGEST_DELAY = 10.0


@dataclass(frozen=True, slots=True)
class Crash:
    """One crash: *at* on the monotonic clock; *early* when it came before HEALTHY seconds of work."""

    at: float
    early: bool


@dataclass(frozen=True, slots=True)
class History:
    """The crashes of one pool (or helper) that still matter."""

    crashes: tuple[Crash, ...] = ()

    def add(self, now: float, worked: float) -> "History":
        """With one more crash, of a process that had worked for *worked* seconds."""
        kept = tuple(crash for crash in self.crashes if crash.at > now - WINDOW)
        return replace(self, crashes=(*kept, Crash(now, early=worked < HEALTHY)))

    def recent(self, now: float) -> int:
        return sum(crash.at > now - WINDOW for crash in self.crashes)


def intensity(size: int) -> int:
    """The crashes within WINDOW that a pool of *size* processes may have: five each, and five more, so that
    one event that takes all of them (a full host, a bad job in every queue) does not end the pool.
    """
    return 5 + 5 * size


def exhausted(history: History, now: float, most: int) -> bool:
    """Whether there were more than *most* crashes in the window."""
    return history.recent(now) > most


def delay(history: History, draw: float) -> float:
    """Seconds to wait after the last crash of *history*; *draw* is a random number in [0, 1)."""
    *before, last = history.crashes
    if not last.early:
        return 0.0
    streak = sum(crash.early for crash in before)
    if streak == 0:
        return 0.0
    return draw * min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (streak - 1))
