"""How a worker ended, in one truthful sentence.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobsup.exits import Exit
from jobsup.typedefs import JSON
from jobsup.unix.pidfd import Ended
from jobsup.unix.slot import Running, Ticks

_STATES = ("booting", "ready", "quiet", "draining")
_NAMED = 3
"""Jobs that are named; of more, how many."""
_KNOWN = {
    Exit.SOFTWARE: "a thread of jobsup failed, or the application could not be imported",
    Exit.INTERRUPTED: "it left with jobs still running",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one death.

    Attributes:
        at: Unix seconds.
        child: ``Worker NAME``.
        sent: why we killed it; "" when we did not.
        memory: what the kernel's counters say; "" when memory was not the reason.
        sentence: all of it, for people.
        stacks: what the process wrote of its threads while it died; "" for nothing.
        crash: whether it ended without being asked.
    """

    at: float
    child: str
    pid: int
    ended: Ended
    sent: str
    memory: str
    sentence: str
    stacks: str
    crash: bool

    @property
    def noteworthy(self) -> bool:
        """Whether somebody will ask for it: it ended unasked, or had to be killed."""
        return self.crash or bool(self.sent)

    def __str__(self) -> str:
        return self.sentence

    def dump(self) -> dict[str, JSON]:
        """For ``ctl status`` and the keeper."""
        return {
            "at": self.at,
            "child": self.child,
            "pid": self.pid,
            "code": self.ended.code,
            "signal": self.ended.signal,
            "sent_by_us": self.sent,
            "memory": self.memory,
            "verdict": self.sentence,
            "stacks": self.stacks,
        }


def sentence(
    ended: Ended, *, sent: str, memory: str, ticks: Ticks, running: Sequence[Running], age: float, now: float
) -> str:
    """How it ended, why as far as it is known, how it was when it was last heard of, and what ran.

    Args:
        ended: the wait status.
        sent: why we killed it, or "".
        memory: see ``unix.oom.Watch.explains``, or "".
        ticks: its heartbeat slot.
        running: its running table.
        age: seconds since it was asked for.
        now: monotonic seconds.
    """
    how = str(ended)
    if sent:
        how += f" by jobsup ({sent})"
    elif memory:
        how += f" ({memory})"
    elif ended.code in _KNOWN:
        how += f" ({_KNOWN[Exit(ended.code)]})"
    parts = [f"{how} after {age:.1f}s"]
    if ticks.main_tick:
        state = _STATES[ticks.state] if ticks.state < len(_STATES) else "in an unknown state"
        beat = max(0.0, now - ticks.main_tick / 1e9)
        parts.append(f"it was {state} with {ticks.rss / 1_048_576:.0f} MB, last heard of {beat:.1f}s before")
    if running:
        named = [f"{job.klass} {job.jid} for {max(0.0, now - job.begun):.1f}s" for job in running[:_NAMED]]
        more = f" and {len(running) - _NAMED} more" if len(running) > _NAMED else ""
        parts.append(f"it ran {', '.join(named)}{more}")
    return "; ".join(parts)
