"""Hearing that keys changed."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest
import redis

from conftest import Server
from jobsup.store.connection import connect
from jobsup.store.watch import Watch


@pytest.fixture
def watch(server: Server, r: redis.Redis) -> Iterator[Watch]:
    watch = Watch(connect(server.url))
    yield watch
    watch.close()


def rings(watch: Watch, within: float = 10.0) -> bool:
    return bool(select.select([watch.fileno()], [], [], within)[0])


def test_a_key_that_was_looked_at_rings_once_when_it_changes(r: redis.Redis, watch: Watch) -> None:
    assert watch.look([("EXISTS", "a"), ("GET", "b")]) == [0, None]
    r.set("other", 1)
    assert not rings(watch, within=0.1)

    r.set("b", 1)

    assert rings(watch)
    assert watch.heard() == {"b"}
    r.set("b", 2)
    assert not rings(watch, within=0.1)


def test_when_everything_is_gone_any_key_may_have_changed(r: redis.Redis, watch: Watch) -> None:
    watch.look([("GET", "b")])
    r.flushall()

    assert rings(watch)
    assert watch.heard() is None


def test_closed_it_hears_nothing_and_opens_with_the_next_look(r: redis.Redis, watch: Watch) -> None:
    watch.look([("GET", "b")])
    watch.close()
    assert watch.fileno() is None
    assert watch.heard() == set()

    r.set("b", 1)

    assert watch.look([("GET", "b")]) == [b"1"]
