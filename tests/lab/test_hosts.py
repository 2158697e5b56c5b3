"""A host that is gone, cut off or frozen: its jobs run on the other, and what it says later changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis
from hosts import Host, Hub

from conftest import eventually
from harness import inflight, push

pytestmark = pytest.mark.system

_ELSEWHERE_WITHIN = 20.0
"""Seconds until the jobs of a vanished host run on another: the product's promise."""


def two_hosts_one_busy(host: Callable[[str], Host], r: redis.Redis) -> tuple[Host, Host]:
    first = host("first")
    for n in (1, 2):
        push(r, "Stay", n)
    eventually(lambda: sorted(first.app.lines()) == ["start 1 first", "start 2 first"])
    return first, host("second")


def taken_over(first: Host, r: redis.Redis, since: float) -> None:
    """Waits until the other host has done the work; the keyspace must not have been scanned for it."""
    left = _ELSEWHERE_WITHIN - (time.monotonic() - since)
    eventually(lambda: {"end 1 second", "end 2 second"} <= set(first.app.lines()), within=left)
    used = r.info("commandstats")
    assert not {"cmdstat_keys", "cmdstat_scan"} & used.keys()


def test_the_jobs_of_a_host_that_loses_power_run_on_another_within_20_seconds(
    host: Callable[[str], Host], hub: Hub
) -> None:
    with hub.client() as r:
        first, second = two_hosts_one_busy(host, r)
        since = time.monotonic()
        first.lose_power()

        taken_over(first, r, since)

        eventually(lambda: inflight(r) == 0 and r.zcard("jobsup:leases") == 1)
        assert second.stop() == 0
        assert sorted(second.app.ended()) == ["1", "2"]


@pytest.mark.parametrize(
    ("vanish", "come_back"),
    [(Host.cut_off, Host.reconnect), (Host.freeze, Host.thaw)],
    ids=["cut off", "frozen"],
)
def test_a_host_that_comes_back_changes_nothing_and_works_again(
    host: Callable[[str], Host], hub: Hub, vanish: Callable[[Host], None], come_back: Callable[[Host], None]
) -> None:
    with hub.client() as r:
        first, second = two_hosts_one_busy(host, r)
        since = time.monotonic()
        vanish(first)
        taken_over(first, r, since)
        first.app.ledger.with_suffix(".go").touch()  # what runs there still ends only now, as failures
        come_back(first)

        eventually(lambda: {"late 1 first", "late 2 first"} <= set(first.app.lines()), within=15)
        push(r, "quick", 3, queue="first")
        eventually(lambda: "end 3 first" in first.app.lines(), within=20)
        eventually(lambda: inflight(r) == 0)
        assert r.zcard("retry") == r.zcard("dead") == 0
        assert r.llen("queue:default") == 0
        assert sorted(first.app.ended()) == ["1", "2", "3"]
        assert "given up" in first.app.log()
        assert [first.stop(), second.stop()] == [0, 0]
