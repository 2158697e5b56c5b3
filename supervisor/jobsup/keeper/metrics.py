"""What Prometheus is told: facts as metric families, in its text format.

Two scopes, which queries must not mix: what this supervisor does is summed over supervisors; what lies in Redis is the
same whichever of them is asked, and the greatest answer is taken.  ``docs/monitoring.md`` explains every metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from jobsup import __version__
from jobsup.config.model import QUARANTINE, Config
from jobsup.durations import Durations
from jobsup.keeper.figures import Figures
from jobsup.keeper.health import LIVE_WITHIN
from jobsup.keeper.http import Page
from jobsup.unix.pulse import Facts, Pool

_BOUNDS = tuple(1 << power for power in range(2, 25, 2))
"""Milliseconds, powers of four up to 4.7 hours: where buckets of ``durations.py`` end, so that no run is guessed."""
_OF_POOLS = (
    (GaugeMetricFamily, "jobsup_workers", "Worker processes that fetch jobs", "ready"),
    (GaugeMetricFamily, "jobsup_workers_wanted", "Workers to be had: as configured, or as memory allows", "wanted"),
    (GaugeMetricFamily, "jobsup_worker_processes", "Worker processes, booting and leaving ones too", "workers"),
    (GaugeMetricFamily, "jobsup_concurrency", "Threads of the workers that fetch jobs", "threads"),
    (GaugeMetricFamily, "jobsup_busy", "Threads that run a job, those of leaving workers too", "busy"),
    (GaugeMetricFamily, "jobsup_in_hand", "Jobs taken and not yet settled, whether they run or not", "in_hand"),
    (GaugeMetricFamily, "jobsup_pool_failed", "1 if the pool was given up after too many crashes", "failed"),
    (GaugeMetricFamily, "jobsup_generation", "Generation to be had: one more with each reload", "generation"),
    (CounterMetricFamily, "jobsup_jobs_processed", "Jobs that ended, well or not, in this supervisor", "processed"),
    (CounterMetricFamily, "jobsup_jobs_failed", "Jobs that failed, each attempt, in this supervisor", "failures"),
    (CounterMetricFamily, "jobsup_workers_started", "Worker processes that were started", "started"),
    (CounterMetricFamily, "jobsup_worker_deaths", "Workers that ended without having been asked to", "deaths"),
)
"""Family, name, help, and the field of ``Pool`` that it shows."""
_KEPT = 1.0
"""Seconds for which a page is kept, so that a crowd that scrapes costs no more than one scrape."""
_SHARED = "; from Redis, the same from every supervisor: take max, not sum"


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known at one moment.

    Attributes:
        facts, pools: what the parent last wrote; pools by name.
        figures: what Redis last said; None: nothing that is fresh.
        redis: whether it answered when it was last asked.
        now: monotonic seconds.
    """

    config: Config
    facts: Facts
    pools: Mapping[str, Pool]
    figures: Figures | None
    redis: bool
    now: float


def pool_names(config: Config) -> list[str]:
    """Every profile, and where its suspects run."""
    return [name for profile in config.profiles for name in (profile.name, profile.name + QUARANTINE)]


def families(known: Known) -> Iterator[Metric]:
    """Everything that can be said truthfully: what is not known now is left out."""
    # Before the loop has gone round for the first time there is no pool to speak of.
    live = not known.facts.at or known.now - known.facts.at <= LIVE_WITHIN
    yield from _supervisor(known, live)
    if live:
        yield from _pools(known.pools)
    if known.redis and known.figures:
        yield from _waiting(known.figures)
        yield _durations(known.figures.durations)


def _supervisor(known: Known, live: bool) -> Iterator[Metric]:
    yield InfoMetricFamily("jobsup", "The version of jobsup", {"version": __version__})
    profiles = InfoMetricFamily("jobsup_profile", "The version of the application, by profile", labels=["profile"])
    for profile in known.config.profiles:
        profiles.add_metric([_text(profile.name)], {"version": _text(profile.version)})
    yield profiles
    yield GaugeMetricFamily("jobsup_live", "1 if the parent's loop goes round; if not, pools are left out", live)
    yield GaugeMetricFamily("jobsup_stopping", "1 once a stop has begun", known.facts.stopping)
    yield GaugeMetricFamily("jobsup_redis_up", "1 if Redis answers; if not, what it says is left out", known.redis)


def _pools(pools: Mapping[str, Pool]) -> Iterator[Metric]:
    for make, name, text, fact in _OF_POOLS:
        yield _by(make, name, text, "profile", {pool: getattr(found, fact) for pool, found in pools.items()})


def _waiting(figures: Figures) -> Iterator[Metric]:
    def by_queue(name: str, text: str, values: Mapping[str, float]) -> Metric:
        return _by(GaugeMetricFamily, name, text + _SHARED, "queue", values)

    waits, suspects = "Seconds that the next job has waited", "Jobs of the queue that wait to run alone after a crash"
    yield by_queue("jobsup_queue_size", "Jobs that wait in the queue", figures.sizes)
    yield by_queue("jobsup_queue_latency_seconds", waits, figures.latencies)
    yield by_queue("jobsup_quarantine_size", suspects, figures.suspects)
    yield GaugeMetricFamily("jobsup_retry_size", "Jobs that wait for their next attempt" + _SHARED, figures.retry)
    yield GaugeMetricFamily("jobsup_schedule_size", "Jobs that wait for their time" + _SHARED, figures.schedule)
    yield GaugeMetricFamily("jobsup_dead_size", "Jobs that were given up and are kept" + _SHARED, figures.dead)


def _durations(found: Mapping[tuple[str, str], Durations]) -> Metric:
    text = "How long jobs that succeeded ran, from 0 each UTC day; the sum is an estimate to within 5 %"
    family = HistogramMetricFamily("jobsup_job_duration_seconds", text + _SHARED, labels=["profile", "class"])
    for (profile, klass), runs in found.items():
        buckets = [(str(bound / 1000), float(runs.within(bound))) for bound in _BOUNDS]
        family.add_metric([_text(profile), klass], [*buckets, ("+Inf", float(runs.runs))], runs.total)
    return family


def _by(make: type[Metric], name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = make(name, text, labels=[label])  # type: ignore[call-arg]
    for key, value in values.items():
        family.add_metric([_text(key)], value)  # type: ignore[attr-defined]
    return family


def _text(name: str) -> str:
    """*name* as UTF-8 can hold it: a flag's argument may be any bytes."""
    return name.encode("utf-8", "backslashreplace").decode()


class _Once(Collector):
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


class Exposition:
    """The page ``/metrics``.  For one thread."""

    def __init__(self) -> None:
        # For who names nothing he prefers: the text format, which every version of Prometheus reads.
        self._encode, self._kind = choose_encoder("")
        self._page: Page | None = None
        self._until = 0.0

    def page(self, known: Callable[[], Known], now: float) -> Page:
        """What is *known* at *now* (monotonic), or was less than a second before."""
        if self._page is None or now >= self._until:
            registry = CollectorRegistry(auto_describe=False)
            registry.register(_Once(families(known())))
            self._page, self._until = Page(HTTPStatus.OK, self._encode(registry), self._kind), now + _KEPT
        return self._page
