"""``jobsup check --live``: whether deploys give the jobs the time that they were measured to take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from jobsup.config.check import Checked
from jobsup.config.model import Profile
from jobsup.config.problem import Problem, error, warning
from jobsup.durations import Durations
from jobsup.store.durations import DAYS, Measured

_TOLERATED = 0.05
"""Share of the running jobs of a class that a deploy may interrupt before it is worth a word."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """What one kind of deploy does to a class.

    Attributes:
        budget: seconds that it gives to the running jobs.
        interrupted: share of the jobs running at that moment which need longer.
        each: how many jobs that is at each deploy of all workers, on average.
    """

    budget: float
    interrupted: float
    each: float

    @property
    def harms(self) -> bool:
        return self.interrupted > _TOLERATED


@dataclass(frozen=True, slots=True)
class Class:
    """One class of jobs in one pool; times in seconds."""

    pool: str
    name: str
    runs: int
    p50: float
    p95: float
    pauses: bool
    stop: Deploy
    reload: Deploy


def compare(measured: Measured, profiles: Iterable[Profile], now: float) -> list[Class]:
    """Every measured class of these *profiles*, the most interrupted first.  *now* in Unix seconds."""
    by_name = {profile.name: profile for profile in profiles}
    window = max(1.0, now - (now if measured.since is None else measured.since))
    found = [
        _class(by_name[pool], name, durations, window)
        for (pool, name), durations in measured.classes.items()
        if pool in by_name and durations.runs
    ]
    return sorted(found, key=lambda one: (-one.reload.each, -one.stop.each, one.pool, one.name))


def _class(profile: Profile, name: str, measured: Durations, window: float) -> Class:
    stop = min(profile.timeout if measured.timeout is None else measured.timeout, profile.max_timeout)

    def deploy(budget: float) -> Deploy:
        # What stops at its next item needs no time at all.
        beyond = 0.0 if measured.pauses else measured.beyond(budget)
        return Deploy(budget, beyond / measured.total, beyond / window)

    p50, p95 = measured.quantile(0.5), measured.quantile(0.95)
    stopped, reloaded = deploy(stop), deploy(max(stop, profile.drain))
    return Class(profile.name, name, measured.runs, p50, p95, measured.pauses, stopped, reloaded)


def problems(classes: Sequence[Class], checked: Iterable[Checked]) -> Iterator[Problem]:
    """What to tell: an error where every deploy interrupts jobs, a warning where only a stop does."""
    if not classes:
        yield warning("--live", f"no job of these profiles was measured in the last {DAYS} days; let some run first")
    origins = {profile["name"]: profile.origin("drain", "timeout") for profile in checked}
    for one in classes:
        if one.reload.harms:
            cure = "raise drain and deploy by reload, raise timeout, or make it iterable"
            kind = "any deploy" if one.reload.budget == one.stop.budget else "even a reload"
            yield error(origins[one.pool], f"{_interrupts(one, kind, one.reload)}; {cure}")
        elif one.stop.harms:
            yield warning(origins[one.pool], f"{_interrupts(one, 'a stop', one.stop)}; deploy by reload")


def _interrupts(one: Class, kind: str, deploy: Deploy) -> str:
    often = f"{deploy.each:.1f} at each" if deploy.each >= 1 else f"one in {1 / deploy.each:,.0f} deploys"
    takes = f"{one.name} in pool {one.pool} takes {_seconds(one.p50)} (p50) to {_seconds(one.p95)} (p95)"
    given = f"{kind} gives it {_seconds(deploy.budget)}"
    return f"{takes} and {given}: {deploy.interrupted:.0%} of those that run then are interrupted, about {often}"


def rows(classes: Sequence[Class]) -> list[tuple[str, str, str]]:
    """Class, durations and runs of all, for the table of ``check``."""
    return [
        (one.name, f"p50 {_seconds(one.p50)}, p95 {_seconds(one.p95)}", f"{one.runs:,} runs in pool {one.pool}")
        for one in classes
    ]


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds:,.0f} s"
