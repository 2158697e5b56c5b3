"""Judging a demo: pure functions of what was asked for, what was recorded, and what was done to the workers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from jobsup.contrib.demo.results import Run

UNEXPLAINED = "for no reason known"


@dataclass(frozen=True, slots=True)
class Deaths:
    """What the demo did to workers.

    Attributes:
        killed: pids that it killed, and when (Unix seconds).
        replaced: pids of the generations that a deploy replaced.
    """

    killed: Mapping[int, float]
    replaced: frozenset[int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a demo.

    Attributes:
        enqueued, finished: jobs pushed; jobs with a result.
        lost: names of those without one.
        wrong: sentences about results that the recount does not confirm.
        twice: reason to number of jobs that ran more than once because of it.
        left: jobs that still lie in Redis, whatever for.
        exit_code: of the supervisor when it was stopped.
    """

    enqueued: int
    finished: int
    lost: tuple[str, ...]
    wrong: tuple[str, ...]
    twice: Mapping[str, int]
    left: int
    exit_code: int

    @property
    def passed(self) -> bool:
        return (
            0 < self.enqueued == self.finished
            and not self.lost
            and not self.wrong
            and not self.left
            and UNEXPLAINED not in self.twice
            and self.exit_code == 0
        )


def lost(enqueued: Sequence[tuple[str, str]], runs: Sequence[Run]) -> tuple[str, ...]:
    """The jobs, as (job, what), of which no run finished."""
    finished = {(run.job, run.what) for run in runs if run.finished is not None}
    return tuple(f"{job} {what}" for job, what in enqueued if (job, what) not in finished)


def wrong(kind: str, recorded: Mapping[str, Any], recounted: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence for every row that the recount does not confirm, field by field, and for every stray row.

    Both map names to the same dataclass.  A missing row counts too: its job may never have been asked for.
    """
    found = [f"{kind} {name} does not exist" for name in recorded.keys() - recounted.keys()]
    found += [f"{kind} {name} is missing" for name in recounted.keys() - recorded.keys()]
    for name in recorded.keys() & recounted.keys():
        row, truth = recorded[name], recounted[name]
        found += [
            f"{kind} {name}: {field.name} is {getattr(row, field.name)}, not {getattr(truth, field.name)}"
            for field in fields(truth)
            if getattr(row, field.name) != getattr(truth, field.name)
        ]
    return tuple(sorted(found))


def twice(runs: Sequence[Run], deaths: Deaths) -> dict[str, int]:
    """Why jobs ran more than once: reason to number of jobs.  *runs* are in the order they started."""
    by_job: defaultdict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_job[run.jid].append(run)
    return dict(Counter(_reason(earlier, deaths) for *earlier, _last in by_job.values() if earlier))


def _reason(earlier: Sequence[Run], deaths: Deaths) -> str:
    """Why a job had to run again after these runs.  One that cannot be explained counts for the whole job."""
    reasons = {_excuse(run, deaths) for run in earlier}
    return UNEXPLAINED if UNEXPLAINED in reasons else reasons.pop()


def _excuse(run: Run, deaths: Deaths) -> str:
    killed_at = deaths.killed.get(run.pid)
    if killed_at is not None and run.started <= killed_at:
        if run.finished is None:
            return "its worker was killed while it ran"
        return "its worker was killed before its success was recorded in Redis"
    if run.pid in deaths.replaced and run.finished is None:
        return "the deploy's deadline interrupted it"
    return UNEXPLAINED
