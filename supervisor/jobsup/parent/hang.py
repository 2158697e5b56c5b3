"""Workers that run and do not get on.  ``judge`` is pure; ``Watch`` looks and acts.

A worker's main thread writes a tick at least every second.  When it has not for a while, one look says what its
process is doing, and a second one some seconds later whether that went on:

=================================  ==============================================================================
it burns CPU                       one call holds the interpreter's lock: a job's fault, not the process's.  Said
                                   once, with its stacks
it is stopped, or waits for a disk nobody is late who cannot run.  Said once
it does neither                    its main thread is dead or waits for ever: stacks, then SIGKILL
=================================  ==============================================================================

From the first seconds on the keeper renews its lease for it, unless it is stopped: it lives, and as long as it may,
its jobs are to run nowhere else.

Beyond a job's hard time limit nothing is asked: the worker would have left by itself, could it run.

A job that blocks while the main thread ticks is nobody's business but its time limit's.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from jobsup import clock
from jobsup.events import Events
from jobsup.parent.child import Child
from jobsup.parent.crew import Crew
from jobsup.parent.stages import Stage
from jobsup.typedefs import JSON, Identity
from jobsup.unix import pidfd
from jobsup.unix.process import Activity, activity

_MISSED = 3.0
"""Seconds without a tick after which a worker does not enforce its jobs' limits any more."""
LATE = 10.0
"""Seconds without a tick after which a worker is looked at: ten times what it needs."""
EVERY = 5.0
"""Seconds between looks."""
_STOPPED = "TtD"
"""States of a process that is stopped, or waits for a disk."""
_BUSY = 0.5
"""CPU seconds per second from which on a process that gets nowhere is busy: one thread that holds the lock has
nearly all of a CPU, and on a crowded machine still half of it."""


class State(Enum):
    FINE = auto()
    LATE = auto()
    """Not known yet: it takes two looks."""
    STOPPED = auto()
    STARVED = auto()
    DEAD = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a late worker: monotonic seconds, and what its process did until then."""

    at: float
    activity: Activity


def judge(age: float, before: Look | None, now: Look) -> State:
    """What a worker is whose main thread ticked *age* seconds ago; *before* is the last look, if it was late then."""
    if age < LATE:
        return State.FINE
    if now.activity.state in _STOPPED:
        return State.STOPPED
    if before is None:
        return State.LATE
    burnt = (now.activity.cpu - before.activity.cpu) / max(now.at - before.at, 0.001)
    return State.STARVED if burnt >= _BUSY else State.DEAD


class Watch:
    """Looks at all workers of a crew now and then."""

    def __init__(
        self,
        crew: Crew,
        events: Events,
        vouch: Callable[[Sequence[Identity]], None],
        look: Callable[[int], Activity | None] = activity,
    ) -> None:
        self._crew = crew
        self._events = events
        self._vouch = vouch
        self._look = look
        self._seen: dict[str, Look] = {}
        self._said: dict[str, State] = {}
        self.deadline = clock.monotonic() + EVERY

    def excuse(self) -> None:
        """We were not there to see: whoever is late now begins anew."""
        self._seen.clear()
        self.deadline = clock.monotonic() + EVERY

    def tick(self, now: float) -> None:
        if now < self.deadline:
            return
        self.deadline = now + EVERY
        for child in self._crew:
            if self._is_late(child, now, _MISSED) and any(0 < job.limit <= now for job in child.slot.running()):
                self._crew.kill_hung(child, "a job held the interpreter's lock beyond its time limit")
        if silent := [child.identity for child in self._crew if self._lives_silently(child, now)]:
            self._vouch(silent)
        late = [child for child in self._crew if self._is_late(child, now, LATE)]
        for nonce in self._seen.keys() - {child.nonce for child in late}:
            self._forget(nonce)
        doomed = [child for child in late if self._judge(child, now)]
        for pool in {child.profile.name for child in doomed}:
            # Should it be us who are wrong, most of the pool survives it.
            mine = [child for child in doomed if child.profile.name == pool]
            most = math.ceil(sum(child.profile.name == pool for child in self._crew) / 10)
            for child in mine[:most]:
                reason = f"its main thread had not got on for {self._age(child, now):.0f}s"
                self._crew.kill_hung(child, reason)

    def _lives_silently(self, child: Child, now: float) -> bool:
        """Whether it runs and is not heard of, so that it does not beat either.

        Its death we would know, and its jobs' limits and what we judge it by bound how long it may go on: meanwhile
        nobody else is to run what it runs.  Not one that is stopped, for whom nothing is bounded.
        """
        if not Stage.READY <= child.stage <= Stage.DRAINING or self._age(child, now) < _MISSED:
            return False
        seen = self._look(child.pid)
        return seen is not None and seen.state not in _STOPPED

    def _is_late(self, child: Child, now: float, seconds: float) -> bool:
        # Who boots or leaves has a deadline of its own.
        return child.stage in (Stage.READY, Stage.QUIET) and self._age(child, now) >= seconds

    def _age(self, child: Child, now: float) -> float:
        return now - child.slot.read().main_tick / 1e9

    def _judge(self, child: Child, now: float) -> bool:
        """True when *child* is to be killed."""
        seen = self._look(child.pid)
        if seen is None:
            return False
        look, before = Look(now, seen), self._seen.get(child.nonce)
        state = judge(self._age(child, now), before, look)
        if state is State.LATE:
            ask_for_stacks(child)
        self._seen[child.nonce] = look
        if state not in (State.LATE, self._said.get(child.nonce)):
            self._said[child.nonce] = state
            self._say(child, state, now)
        return state is State.DEAD

    def _say(self, child: Child, state: State, now: float) -> None:
        meaning = {
            State.STOPPED: "its process is stopped or waits for a disk, so it is not late",
            State.STARVED: "one call holds the interpreter's lock and burns CPU; it is left alone",
            State.DEAD: "its main thread does nothing at all",
        }[state]
        facts = {"child": child.name, "pid": child.pid, "seconds": self._age(child, now), "meaning": meaning}
        self._events.emit("child.late", **facts, stacks=child.slot.stacks() or "(no stacks)")

    def _forget(self, nonce: str) -> None:
        del self._seen[nonce]
        self._said.pop(nonce, None)


def why(crew: Crew, jid: str, *, ask: bool) -> dict[str, JSON] | None:
    """What is known of the running job *jid*; None when it runs nowhere here.

    With *ask* its process is asked for its stacks, which it writes in a moment: ask again without it.
    """
    for child in crew:
        for job in child.slot.running():
            if job.named(jid):
                if ask:
                    ask_for_stacks(child)
                    if job.awaits:
                        child.link.send("why", jid=job.jid)
                now = clock.monotonic()
                return {
                    "jid": job.jid,
                    "class": job.klass,
                    "queue": job.queue,
                    "child": child.name,
                    "pid": child.pid,
                    "thread": job.thread,
                    "native_thread": job.native,
                    "async": job.awaits,
                    "seconds": now - job.begun,
                    "limit_in": job.limit - now if job.limit else None,
                    "last_heard_of": now - child.slot.read().main_tick / 1e9,
                    "stacks": child.slot.stacks(),
                }
    return None


def ask_for_stacks(child: Child) -> None:
    """Have *child* write the stacks of all its threads into its slot, even while one of them holds the lock."""
    child.slot.clear_stacks()
    pidfd.send(child.pidfd, signal.SIGUSR1)
