"""Whether a worker may still believe that it owns what it holds."""

from __future__ import annotations

from typing import Any

from jobsup.events import Events
from jobsup.store.scripts import LEASE
from jobsup.worker.lease import Lease, Outage


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_before_the_first_confirmed_beat_nothing_may_be_taken() -> None:
    assert not Lease(Clock()).alive()


def test_taking_ends_well_before_others_may_give_us_up() -> None:
    clock = Clock()
    lease = Lease(clock)
    lease.confirmed(100.0)
    clock.now = 100.0 + LEASE - 3.5
    assert lease.alive()
    clock.now = 100.0 + LEASE - 2.5

    assert not lease.alive()


def test_a_lease_counts_from_when_the_beat_was_sent_and_not_from_its_answer() -> None:
    clock = Clock()
    lease = Lease(clock)
    clock.now = 200.0
    lease.confirmed(100.0)

    assert not lease.alive()


def test_being_given_up_is_noticed_once_however_many_threads_say_so() -> None:
    lease = Lease(Clock())
    lease.confirmed(100.0)
    lease.fence(0)
    lease.fence(0)

    assert lease.epoch == 1
    assert not lease.registered


def test_an_outage_is_logged_once_when_it_begins_and_once_when_it_ends() -> None:
    clock = Clock()
    said: list[tuple[str, dict[str, Any]]] = []
    events = Events()
    events.subscribe(lambda name, facts: said.append((name, facts)))
    outage = Outage(events, clock)
    outage.found("beat")
    outage.lost("beat", OSError("gone"))
    outage.lost("fetch", OSError("still gone"))
    outage.lost("fetch", OSError("still gone"))
    outage.found("beat")
    clock.now = 107.0
    outage.found("fetch")
    outage.found("fetch")

    assert said == [("redis.lost", {"error": "gone"}), ("redis.found", {"seconds": 7.0})]
