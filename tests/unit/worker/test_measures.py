"""Which ends of a job are measured."""

from __future__ import annotations

import time
from typing import Any

import pytest

from conftest import Server
from jobsup.config.model import Capsule, Profile
from jobsup.events import Events
from jobsup.store import durations
from jobsup.store.connection import connect
from jobsup.worker.counters import Counters
from jobsup.worker.heartbeat import Heartbeat
from jobsup.worker.lease import Lease, Outage
from jobsup.worker.measures import Measures
from jobsup.worker.outcome import Buried, Cancelled, Discarded, GivenBack, Interrupted, Outcome, RetryAt, Succeeded
from jobsup.worker.unit import UnitOfWork


def unit(klass: str = "Video", took: float = 1.0, *, declared: bool = True) -> UnitOfWork:
    found = UnitOfWork("a", b"{}")
    found.klass, found.took, found.declared, found.timeout = klass, took, declared, 60.0
    return found


def test_a_run_that_succeeded_is_measured_and_one_that_failed_is_counted() -> None:
    measures = Measures()
    for outcome in (Succeeded(), RetryAt(1.0, b""), Buried(b""), Discarded()):
        measures.note([(unit(took=2.0), outcome)])

    video = measures.take()["Video"]

    assert (video.ended, video.failed, video.ms, sum(video.counts.values()), video.timeout) == (4, 3, 2000, 1, 60.0)
    assert measures.take() == {}


@pytest.mark.parametrize("outcome", [GivenBack(), Interrupted(), Cancelled()])
def test_a_run_that_others_ended_says_nothing_about_its_class(outcome: Outcome) -> None:
    measures = Measures()
    measures.note([(unit(), outcome)])

    assert measures.take() == {}


def test_names_that_nobody_declared_are_not_kept() -> None:
    measures = Measures()
    measures.note([(unit("Made::Up", declared=False), Buried(b""))])

    assert measures.take() == {}


def test_what_could_not_be_flushed_is_flushed_with_what_came_meanwhile() -> None:
    measures = Measures()
    measures.note([(unit(), Succeeded())])
    batch = measures.take()
    measures.note([(unit(), Succeeded())])
    measures.note([(unit("Mail"), Succeeded())])
    measures.put_back(batch)

    assert {klass: runs.ended for klass, runs in measures.take().items()} == {"Video": 2, "Mail": 1}


def test_what_could_not_be_written_while_redis_was_away_is_written_when_it_is_back(own_server: Server) -> None:
    measures, events, lease = Measures(), Events(), Lease()
    nothing: Any = lambda *_: None  # noqa: E731
    heartbeat = Heartbeat(
        client=connect(own_server.url),
        identity="host:1:aaaaaaaaaaaa",
        hostname="host",
        generation=1,
        profile=Profile("main", 1, (Capsule("default", 1, (("a", 0),)),)),
        lease=lease,
        outage=Outage(events),
        counters=Counters(),
        measures=measures,
        running=dict,
        abandoned=lambda: True,
        on_signal=nothing,
        on_registered=nothing,
        on_crash=nothing,
    )
    assert heartbeat.first()
    measures.note([(unit(), Succeeded())])
    own_server.kill()
    assert not heartbeat.first()
    measures.note([(unit(), Succeeded())])
    heartbeat._flush_measures()
    own_server.start()

    assert heartbeat.first()
    assert durations.read(own_server.client(), time.time()).classes["main", "Video"].runs == 2
