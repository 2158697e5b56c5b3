"""What the parent tells of itself and of each pool, each time its loop goes round."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from jobsup.parent.child import Child
from jobsup.parent.crew import Crew
from jobsup.parent.pools import Pools
from jobsup.parent.stages import Stage
from jobsup.parent.verdict import Verdict
from jobsup.unix.pidfd import Ended
from jobsup.unix.pulse import Facts, Pool, Pulse


@dataclass(slots=True)
class _Past:
    """What the workers of one pool come to that are gone."""

    started: int = 0
    deaths: int = 0
    processed: int = 0
    failures: int = 0


class Vitals:
    """Reads the heartbeat slots and counts the dead; asks nobody.

    1. ended    a worker was reaped: what it did is remembered
    2. beat     the loop went round: everything is written where the keeper reads it
    """

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._past: defaultdict[str, _Past] = defaultdict(_Past)

    def ended(self, child: Child, ended: Ended, verdict: Verdict) -> None:
        """Called before its slot is closed; from here on it is no longer among the crew."""
        past = self._past[child.profile.name]
        processed, failures = child.slot.done()
        past.started += 1
        past.deaths += verdict.crash
        past.processed += processed
        past.failures += failures

    def beat(self, now: float, crew: Crew, pools: Pools, *, started: bool, stopping: bool) -> None:
        """Arguments as in ``Facts``."""
        children: defaultdict[str, list[Child]] = defaultdict(list)
        for child in crew:
            children[child.profile.name].append(child)
        failed = crew.failed_pools()
        found = {
            name: self._pool(children[name], self._past[name], size, generation.number, name in failed)
            for name, (size, generation) in pools.wanted().items()
        }
        self._pulse.beat(Facts(now, started, stopping, crew.able, len(failed)), found)

    def _pool(self, children: list[Child], past: _Past, wanted: int, generation: int, failed: bool) -> Pool:
        ready = [child for child in children if child.stage is Stage.READY]
        ticks = [child.slot.read() for child in children]
        done = [child.slot.done() for child in children]
        # Those that nobody has named yet may never be.
        named = sum(child.pid > 0 for child in children)
        return Pool(
            wanted=wanted,
            ready=len(ready),
            threads=sum(child.profile.concurrency for child in ready),
            busy=sum(tick.busy for tick in ticks),
            in_hand=sum(tick.in_hand for tick in ticks),
            generation=generation,
            workers=named,
            failed=failed,
            started=past.started + named,
            deaths=past.deaths,
            processed=past.processed + sum(processed for processed, _ in done),
            failures=past.failures + sum(failures for _, failures in done),
        )
