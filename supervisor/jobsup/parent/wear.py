"""Workers that are to be replaced although they work.  ``worn`` is pure; ``Watch`` looks and marks.

A worn worker is replaced as one of an old generation is: a new one becomes READY, then it drains and has the
patience of a reload.  Beyond ``kill_memory`` there is no time for that.
"""

from __future__ import annotations

import math

from jobsup import clock
from jobsup.clock import FOREVER
from jobsup.config.model import Profile
from jobsup.parent.child import Child
from jobsup.parent.crew import Crew
from jobsup.parent.stages import Stage
from jobsup.unix import memory
from jobsup.unix.memory import shown

EVERY = 1.0
"""Seconds between looks."""


def worn(profile: Profile, spread: float, *, age: float, finished: int, held: int) -> str:
    """Why a worker is to be replaced; "" if it is not.

    Who has finished no job is never too large: its successor would be as large, and so on for ever.

    Args:
        profile: what limits it.
        spread: at most 1; the share of ``max_jobs`` and ``max_lifetime`` that this worker has, so that those that
            began together do not end together.
        age: seconds since it was asked for.
        finished: jobs that ended in it.
        held: its memory in bytes.
    """
    if profile.max_memory is not None and finished and held > profile.max_memory:
        return f"it holds {shown(held)} (max_memory {shown(profile.max_memory)})"
    if profile.max_jobs is not None and finished >= math.ceil(profile.max_jobs * spread):
        return f"it has run {finished} jobs (max_jobs {profile.max_jobs})"
    if profile.max_lifetime is not None and age >= profile.max_lifetime * spread:
        return f"it has lived for {age:.0f}s (max_lifetime {profile.max_lifetime:g}s)"
    return ""


class Watch:
    """Looks at the workers of all profiles that have a limit."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._next = clock.monotonic() + EVERY

    @property
    def deadline(self) -> float:
        """When to look again."""
        return self._next if any(_limited(child.profile) for child in self._crew) else FOREVER

    def tick(self, now: float) -> None:
        if now < self._next:
            return
        self._next = now + EVERY
        for child in self._crew:
            if child.pid and _limited(child.profile):
                self._look(child, now)

    def _look(self, child: Child, now: float) -> None:
        profile = child.profile
        limits = [limit for limit in (profile.max_memory, profile.kill_memory) if limit is not None]
        held = _held(child.pid, min(limits)) if limits else 0
        if profile.kill_memory is not None and held > profile.kill_memory and child.stage < Stage.KILLED:
            self._crew.kill_large(child, f"it holds {shown(held)} (kill_memory {shown(profile.kill_memory)})")
        elif child.stage is Stage.READY and not child.worn and not profile.isolated:
            finished, _ = child.slot.done()
            age = now - child.asked_at
            if reason := worn(profile, child.spread, age=age, finished=finished, held=held):
                self._crew.wear(child, reason)


def _limited(profile: Profile) -> bool:
    limits = (profile.max_memory, profile.kill_memory, profile.max_jobs, profile.max_lifetime)
    return any(limit is not None for limit in limits)


def _held(pid: int, matters: int) -> int:
    """Bytes of *pid*; exact only when they are more than *matters*."""
    # Nobody's share is larger than the whole, and the whole costs nothing to know.
    whole = memory.resident(pid)
    return memory.proportional(pid) if whole > matters else whole
