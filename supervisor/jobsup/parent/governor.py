"""What to do when the memory of the whole control group runs short.  ``decide`` is pure; ``Governor`` looks and acts.

The kernel would kill the largest process, or, as in Kubernetes, all of them at once.  Before that, the mildest first:

======  ==========================================================================================================
85 %    the largest idle worker is replaced: what jobs left behind in it is free again, and nobody notices
92 %    the hungriest pool fetches nothing: its workers finish what they run and leave, and nobody takes their place
97 %    the largest worker is killed and its jobs are given back, of which the largest process would have died anyway
< 80 %  held pools get their workers back, one each second, counting those who still finish something
======  ==========================================================================================================

A pool is held by letting its workers leave, not by making them quiet: quiet cannot be undone, and a Python process that
does nothing returns little of its memory; a new one is there within milliseconds.

Whoever holds less than a twentieth of the limit is left alone: if somebody else fills the group, stopping helps nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jobsup import clock
from jobsup.parent.child import Child
from jobsup.parent.crew import Crew
from jobsup.parent.stages import Stage
from jobsup.typedefs import JSON
from jobsup.unix import cgroup, memory
from jobsup.unix.cgroup import Room
from jobsup.unix.memory import shown

PLENTY, TIGHT, SHORT, LAST = 0.80, 0.85, 0.92, 0.97
_WORTH = 0.05
EVERY, SOON, SELDOM = 1.0, 0.25, 60.0
"""Seconds between looks: as a rule, when memory is tight, and when there is no limit."""
_EFFECT = 5.0
"""Seconds until the next pool is held: jobs have to end first."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A worker, and what it holds beyond its template, in bytes.

    Attributes:
        spare: it is idle, and can be replaced without anybody's noticing.
        worn: another is about to take its place.
        isolated: it runs suspects, whose pool is never held.
    """

    nonce: str
    pool: str
    own: int
    spare: bool
    stage: Stage
    worn: bool = False
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class Replace:
    nonce: str


@dataclass(frozen=True, slots=True)
class Hold:
    pool: str


@dataclass(frozen=True, slots=True)
class Kill:
    nonce: str


@dataclass(frozen=True, slots=True)
class Release:
    """Let *pool* have one worker more."""

    pool: str


Action: TypeAlias = Replace | Hold | Kill | Release


def decide(
    room: Room, holders: Sequence[Holder], sizes: Mapping[str, int], allowed: Mapping[str, int], *, patient: bool
) -> Action | None:
    """The one thing to do now.

    Args:
        room: of the group that is nearest to its limit.
        holders: all workers that have a process.
        sizes: pool -> workers it is to have.
        allowed: held pool -> workers it may have.
        patient: a pool was held a moment ago, which takes a while to help.
    """
    worth = room.limit * _WORTH
    if room.share >= LAST:
        largest = max(holders, key=lambda h: h.own, default=None)
        dying = any(h.stage is Stage.KILLED for h in holders)
        return Kill(largest.nonce) if largest and largest.own >= worth and not dying else None
    if room.share >= SHORT and not patient:
        free = Counter[str]()
        for h in holders:
            if not h.isolated and allowed.get(h.pool) != 0:
                free[h.pool] += h.own
        for pool, own in free.most_common(1):
            if own >= worth:
                return Hold(pool)
    if room.share >= TIGHT:
        spare = max((h for h in holders if h.spare), key=lambda h: h.own, default=None)
        under_way = any(h.worn and h.stage < Stage.DRAINING for h in holders)
        return Replace(spare.nonce) if spare and spare.own >= worth and not under_way else None
    if room.share < PLENTY:
        for pool, count in allowed.items():
            leaving = sum(h.pool == pool and h.stage >= Stage.DRAINING for h in holders)
            if count + leaving < max(1, sizes.get(pool, 0)):
                return Release(pool)
    return None


def own_memory(child: Child) -> int:
    """Bytes that *child* holds beyond its template, from which it was forked and with which it shares the rest."""
    # Counters of the kernel, not its page tables: this is asked of everybody, and in a hurry.
    return max(0, memory.resident(child.pid) - memory.resident(child.template.pid))


class Governor:
    """Looks at the control group's memory and keeps it below its limit, as far as it is ours to do so."""

    def __init__(
        self,
        crew: Crew,
        room: Callable[[], Room | None] = cgroup.memory,
        own: Callable[[Child], int] = own_memory,
    ) -> None:
        self._crew = crew
        self._room = room
        self._own = own
        self._held_at = -clock.FOREVER
        self.deadline = clock.monotonic()

    def status(self) -> JSON:
        """For ``ctl status``: bytes of the control group; None without a limit."""
        room = self._room()
        return room._asdict() if room else None

    def tick(self, now: float, sizes: Mapping[str, int]) -> None:
        """Look if it is time to.  *sizes*: pool -> workers it is to have."""
        if now < self.deadline:
            return
        room = self._room()
        if room is None:
            self.deadline = now + SELDOM
            for pool in self._crew.held:
                self._crew.release(pool, sizes.get(pool, 0), sizes.get(pool, 0))
            return
        self.deadline = now + (SOON if room.share >= TIGHT else EVERY)
        held = self._crew.held
        if room.share < TIGHT and not held:
            return
        children = {child.nonce: child for child in self._crew if child.pid}
        holders = [self._holder(child) for child in children.values()]
        patient = now - self._held_at < _EFFECT
        if action := decide(room, holders, sizes, held, patient=patient):
            self._act(action, room, {h.nonce: h for h in holders}, children, sizes, now)

    def _holder(self, child: Child) -> Holder:
        idle = child.slot.read().in_hand == 0 and child.slot.done()[0] > 0
        spare = idle and child.stage is Stage.READY and not child.worn and not child.profile.isolated
        pool = child.profile.name
        return Holder(child.nonce, pool, self._own(child), spare, child.stage, bool(child.worn), child.profile.isolated)

    def _act(
        self,
        action: Action,
        room: Room,
        holders: Mapping[str, Holder],
        children: Mapping[str, Child],
        sizes: Mapping[str, int],
        now: float,
    ) -> None:
        where = f"{room.share:.0%} of the memory that the control group may have ({shown(room.limit)}) is used"
        match action:
            case Replace(nonce):
                own = shown(holders[nonce].own)
                self._crew.wear(children[nonce], f"{where}, and of the idle workers it holds most ({own})")
            case Hold(pool):
                own = shown(sum(h.own for h in holders.values() if h.pool == pool))
                self._held_at = now
                self._crew.hold(pool, f"{where}, of which its workers hold {own}")
            case Kill(nonce):
                reason = f"{where}, and it holds most of it ({shown(holders[nonce].own)})"
                if not children[nonce].profile.isolated:
                    self._held_at = now
                    self._crew.hold(holders[nonce].pool, reason)
                self._crew.kill_large(children[nonce], reason)
            case Release(pool):
                self._crew.release(pool, self._crew.held[pool] + 1, sizes.get(pool, 0))
