"""Deploys: marks on Sidekiq's graphs, and which version of the application still runs where."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from jobsup.api.processes import Process, ProcessSet, WorkSet
from jobsup.errors import ArgumentError
from jobsup.store import deploys, processes
from jobsup.store.reading import Redis
from jobsup.store.stats import number

_A_DAY = 86_400


def mark_deploy(client: Redis, label: str, at: float | None = None) -> bool:
    """Mark a deploy on the graphs of Sidekiq's Web; for deploy scripts, on as many hosts at once as there are.

    *at* in Unix seconds, None for now.  False when the same label was marked within the last minute, by whomever.

    Raises:
        ArgumentError: *label* is empty.
        RedisUnavailable, RedisRefused: Redis does not answer, or not with this.
    """
    if not label.strip():
        raise ArgumentError("a deploy mark needs a label")
    return deploys.mark(client, label, time.time() if at is None else at)


def deploy_marks(client: Redis, days: int = 1) -> dict[str, str]:
    """The marks of today and the *days* - 1 before, in UTC: minute (ISO 8601) -> label, oldest first."""
    now = time.time()
    dates = [time.strftime("%Y%m%d", time.gmtime(now - _A_DAY * ago)) for ago in range(days)]
    return dict(sorted(deploys.marks(client, dates).items()))


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers of one generation of one pool on one host.

    Attributes:
        version: of the application; "" where it has none.
        processes: workers that are alive, ``leaving`` of them fetch nothing more.
        running: jobs that run, by class.
        longest: seconds that the oldest of them has run.
    """

    version: str
    host: str
    pool: str
    generation: int
    processes: int
    leaving: int
    running: dict[str, int]
    longest: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """Every worker of jobsup on every host, as of its last heartbeat.

    Attributes:
        crews: sorted by version, host, pool and generation.
        started: every version that is known, oldest first, and when a worker of it was last started, Unix seconds.
    """

    crews: tuple[Crew, ...]
    started: dict[str, float]

    @classmethod
    def read(cls, client: Redis) -> Fleet:
        """Ask Redis.

        Raises:
            RedisUnavailable, RedisRefused: Redis does not answer, or not with this.
        """
        # Versions first: a worker makes its own known after its record, so that none of these is about to appear.
        started = processes.versions(client)
        ours = [process for process in ProcessSet(client) if process.ours]
        return cls(tuple(_crews(ours, list(WorkSet(client)), time.time())), started)

    @property
    def gone(self) -> list[str]:
        """Versions that were started once and that nothing runs any more: they can be removed."""
        alive = {crew.version for crew in self.crews}
        return [version for version in self.started if version not in alive]

    def of(self, version: str) -> list[Crew]:
        return [crew for crew in self.crews if crew.version == version]

    def dump(self) -> dict[str, Any]:
        """As JSON-native values, with the names of the attributes."""
        return {"crews": [asdict(crew) for crew in self.crews], "started": self.started, "gone": self.gone}


def _crews(found: list[Process], work: list[Any], now: float) -> list[Crew]:
    groups: dict[tuple[str, str, str, int], list[Process]] = {}
    for process in found:
        pool, generation = str(process.ours.get("pool") or ""), number(process.ours.get("generation"))
        groups.setdefault((process.version, process.hostname, pool, generation), []).append(process)
    crews = []
    for which, those in sorted(groups.items()):
        identities = {process.identity for process in those}
        jobs = [job for job in work if job.identity in identities]
        running: dict[str, int] = {}
        for job in jobs:
            running[job.klass] = running.get(job.klass, 0) + 1
        longest = max((now - job.run_at for job in jobs if job.run_at), default=0.0)
        leaving = sum(process.is_quiet for process in those)
        crews.append(Crew(*which, len(those), leaving, running, max(0.0, longest)))
    return crews
