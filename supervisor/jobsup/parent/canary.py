"""The first worker of a new generation works alone, until it has shown that the new code can.

One per pool that has workers of the old generation.  The judgement is pure; what it judges by is in the shared memory
of the workers, so that nobody is asked and nothing waits.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto

from jobsup.clock import FOREVER
from jobsup.config.model import Profile
from jobsup.parent.child import Child
from jobsup.parent.crew import Crew
from jobsup.parent.generation import Generation
from jobsup.parent.stages import Stage

LOOK = 0.25
"""Seconds between two looks at a canary."""
_CHANCE = 0.05
"""How unlikely failures must be, had the new code the failure rate of the old, to be held against it."""


class Finding(Enum):
    WAIT = auto()
    GOOD = auto()
    BAD = auto()


@dataclass(frozen=True, slots=True)
class Tally:
    """Jobs that ended, and how many of them failed."""

    finished: int
    failed: int


def judge(new: Tally, old: Tally, jobs: int, waited: float, seconds: float) -> Finding:
    """What the canary's first jobs say about its code.

    *jobs* is how many it must have finished, *waited* for how long it has been ready, and *seconds* for how long it is
    given to find that many.

    The rate of the old generation is estimated as (failed + 1) / (finished + 2), Laplace's rule: what has hardly run
    proves little.  The failures of the new one count when at least as many would be seen by chance in less than 5 % of
    all cases at that rate (upper tail of the binomial distribution).
    """
    rate = (old.failed + 1) / (old.finished + 2)
    if new.failed > new.finished * rate and at_least(new.failed, new.finished, rate) < _CHANCE:
        return Finding.BAD
    return Finding.GOOD if new.finished >= jobs or waited >= seconds else Finding.WAIT


def at_least(failed: int, finished: int, rate: float) -> float:
    """How likely *failed* or more of *finished* jobs fail, when each does with probability *rate*, and fewer would be
    expected.
    """
    # By logarithms: there may be more jobs than a float has powers for.
    log = math.lgamma(finished + 1) - math.lgamma(failed + 1) - math.lgamma(finished - failed + 1)
    term = math.exp(log + failed * math.log(rate) + (finished - failed) * math.log1p(-rate))
    total = 0.0
    for k in range(failed, finished + 1):
        total += term
        term *= (finished - k) / (k + 1) * rate / (1 - rate)
        if term < total * 1e-9:
            break
    return min(1.0, total)


class Trial:
    """The canaries of one reload.

    1. tick      judge those that are ready; a sentence if one is bad
    2. waiting   the pools whose canary has not proved itself yet
    """

    def __init__(self, crew: Crew, generation: Generation) -> None:
        staying = {child.profile.name for child in crew if child.stage < Stage.DRAINING}
        self._crew = crew
        self._generation = generation
        self._waiting: dict[str, Profile] = {
            profile.name: profile
            for profile in generation.config.profiles
            if profile.canary_jobs and profile.processes and profile.name in staying
        }
        self._ran: dict[str, Tally] = {name: self._tally(name, old=True) for name in self._waiting}
        """What the old generation had done: it goes on leaving the crew meanwhile."""

    @property
    def waiting(self) -> list[str]:
        return list(self._waiting)

    def deadline(self, now: float) -> float:
        """When to look again."""
        return now + LOOK if self._waiting else FOREVER

    def tick(self, now: float) -> str | None:
        """Judge; why the generation must not take over, or None."""
        for name, profile in list(self._waiting.items()):
            ready_at = min((child.ready_at for child in self._those(name, old=False)), default=FOREVER)
            if now < ready_at:
                continue
            new, old = self._tally(name, old=False), self._ran[name]
            match judge(new, old, profile.canary_jobs, now - ready_at, profile.canary_seconds):
                case Finding.BAD:
                    return (
                        f"the first worker of {name} had {new.failed} of {new.finished} jobs fail; "
                        f"before, {old.failed} of {old.finished} did"
                    )
                case Finding.GOOD:
                    del self._waiting[name]
        return None

    def _tally(self, pool: str, *, old: bool) -> Tally:
        done = [child.slot.done() for child in self._those(pool, old=old)]
        return Tally(sum(finished for finished, _ in done), sum(failed for _, failed in done))

    def _those(self, pool: str, *, old: bool) -> list[Child]:
        return [c for c in self._crew if c.profile.name == pool and (c.generation is not self._generation) == old]
