"""What a drain will come to, and what it came to.  Pure.

The forecast is told from how long the jobs of a class took before, so it is one: a job that ends has ended, but one
that is said to end may be the exception.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from jobsup.config.model import Profile
from jobsup.durations import Durations
from jobsup.unix.slot import Running, as_held

_LIKELY = 0.5
_NAMED = 5
"""Classes that a sentence names; the JSON has all."""


class Job(NamedTuple):
    """A job that runs when the drain begins: for how long it has, and for how long it may go on, in seconds."""

    klass: str
    age: float
    budget: float
    pauses: bool


@dataclass(frozen=True, slots=True)
class Late:
    """Jobs of one class that will hardly end in time.

    Attributes:
        p95: seconds within which 95 of 100 runs of the class end.
        within: seconds from now at which the first of them is given back.
    """

    klass: str
    jobs: int
    p95: float
    within: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What becomes of the jobs that run.

    Attributes:
        finish: how many will probably end in time, and ``within`` how many seconds.
        late: those that will not, most jobs first.
        pausing: iterable jobs, which stop at their next item, by class.
        unmeasured: jobs of which nobody knows, by class.
    """

    running: int
    finish: int
    within: float
    late: tuple[Late, ...]
    pausing: dict[str, int]
    unmeasured: dict[str, int]

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    def sentence(self, now: float, *, begun: bool) -> str:
        """For people.  *now* in Unix seconds; *begun*: the budgets count from now, and not from some later moment."""
        if not self.running:
            return "Drain: nothing is running"
        parts = [f"{self.running} running"]
        if self.finish:
            finish = "finishes" if self.finish == 1 else "finish"
            parts.append(f"{self.finish} {finish} within {_seconds(self.within)}")
        for late in self.late[:_NAMED]:
            when = time.strftime("%H:%M:%S", time.localtime(now + late.within))
            at = f"{'at' if begun else 'after'} {when}" if late.within else "now"
            parts.append(f"{late.jobs} x {late.klass} (p95 {_seconds(late.p95)}) will be given back {at}")
        if more := sum(late.jobs for late in self.late[_NAMED:]):
            parts.append(f"{more} of other classes too")
        parts += [f"{jobs} x {klass} will stop at the next item" for klass, jobs in _first(self.pausing)]
        parts += [f"{jobs} x {klass} not measured yet" for klass, jobs in _first(self.unmeasured)]
        return f"Drain: {'; '.join(parts)}"


def allowed(job: Running, profile: Profile, patience: float) -> float:
    """Seconds that a drain gives to *job*; its worker decides, by the same rule (``worker/drain.py``)."""
    return max(min(job.timeout or profile.timeout, profile.max_timeout), patience)


def forecast(jobs: Sequence[Job], durations: Mapping[str, Durations]) -> Forecast:
    """What becomes of *jobs*, as far as *durations*, by class, tell."""
    finish, within = 0, 0.0
    late: dict[str, list[Job]] = {}
    pausing: Counter[str] = Counter()
    unmeasured: Counter[str] = Counter()
    for job in jobs:
        chance = durations.get(job.klass, Durations()).chance(job.age, job.budget)
        if job.pauses:
            pausing[job.klass] += 1
        elif chance is None and job.budget > 0:
            unmeasured[job.klass] += 1
        elif chance is not None and chance >= _LIKELY:
            finish += 1
            within = max(within, job.budget)
        else:
            late.setdefault(job.klass, []).append(job)
    found = [
        Late(klass, len(those), durations.get(klass, Durations()).quantile(0.95), min(job.budget for job in those))
        for klass, those in late.items()
    ]
    found.sort(key=lambda one: -one.jobs)
    return Forecast(len(jobs), finish, within, tuple(found), dict(pausing), dict(unmeasured))


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the jobs.

    Attributes:
        finished: they came to an end of their own, whichever.
        given_back: they were interrupted, or stopped between two items, and run again.
        killed: their process ended with them; they run again too.
        longest: seconds that the longest of them ran, and its class.
    """

    finished: int = 0
    given_back: int = 0
    killed: int = 0
    longest: float = 0.0
    klass: str = ""

    def __add__(self, other: Tally) -> Tally:
        longest = max(self, other, key=lambda tally: tally.longest)
        return Tally(
            self.finished + other.finished,
            self.given_back + other.given_back,
            self.killed + other.killed,
            longest.longest,
            longest.klass,
        )

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    def sentence(self, seconds: float) -> str:
        """For people, after a drain of *seconds*."""
        counts = f"{self.finished} finished, {self.given_back} given back, {self.killed} killed"
        longest = f"; the longest ran {_seconds(self.longest)} ({self.klass})" if self.klass else ""
        return f"Drained in {_seconds(seconds)}: {counts}{longest}"


def tally(
    ran: Iterable[Running],
    given_back: Iterable[str],
    running: Sequence[Running],
    longest: tuple[float, str],
    now: float,
) -> Tally:
    """What became of the jobs of one worker, now that it has ended.

    Args:
        ran: what ran when it began to leave.
        given_back: the jids that it said it gives back.
        running: what still ran when its process ended.
        longest: seconds and class of the longest job that ended meanwhile, as it said.
        now: monotonic seconds.
    """
    # Sets: a worker with an event loop may run thousands, and the parent must not think about them for seconds.
    killed = {(job.jid, job.begun) for job in running}
    left = {jid for jid, _ in killed}
    returned = [jid for jid in map(as_held, given_back) if jid not in left]
    unfinished = left.union(returned)
    finished = sum(job.jid not in unfinished for job in ran)
    seconds, klass = max([longest, *((now - job.begun, job.klass) for job in running)])
    return Tally(finished, len(returned), len(killed), seconds, klass)


def _first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])[:_NAMED]


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 and round(seconds, 1) % 1 else f"{seconds:,.0f} s"
