from __future__ import annotations

import pytest
import redis

from conftest import Server
from jobsup.errors import RedisRefused, RedisUnavailable
from jobsup.store import queues
from jobsup.store.connection import connect


def test_the_first_pushed_is_the_first_at_the_fetching_end(server: Server, r: redis.Redis) -> None:
    queues.push(connect(server.url), {"q": [b"1", b"2"], "p": [b"3"]})

    assert r.lrange("queue:q", 0, -1) == [b"2", b"1"]
    assert r.lrange("queue:p", 0, -1) == [b"3"]
    assert r.smembers("queues") == {b"q", b"p"}


def test_a_score_is_the_float_that_was_given(server: Server, r: redis.Redis) -> None:
    queues.push(connect(server.url), {}, [(1795470183.1703303, b"a"), (1795470183.1703303, b"b")])

    assert r.zrange("schedule", 0, -1, withscores=True) == [
        (b"a", 1795470183.1703303),
        (b"b", 1795470183.1703303),
    ]


def test_a_key_of_the_wrong_type_is_refused(server: Server, r: redis.Redis) -> None:
    r.set("queue:q", "text")

    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        queues.push(connect(server.url), {"q": [b"1"]})


def test_nobody_answering_is_said(own_server: Server) -> None:
    client = connect(own_server.url)
    own_server.kill()

    with pytest.raises(RedisUnavailable):
        queues.push(client, {"q": [b"1"]})


def test_a_server_that_became_a_replica_is_asked_once_more_and_then_refused(own_server: Server) -> None:
    client = connect(own_server.url)
    client.ping()
    with own_server.client() as other:
        other.replicaof("127.0.0.1", 1)
        before = other.info("stats")["total_connections_received"]

        with pytest.raises(RedisRefused, match="replica"):
            queues.push(client, {"q": [b"1"]})

        assert other.info("stats")["total_connections_received"] == before + 1
        other.replicaof("NO", "ONE")
    queues.push(client, {"q": [b"1"]})


def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(server: Server, r: redis.Redis) -> None:
    client = connect(server.url)
    queues.push(client, {"q": [b"1"]})
    r.client_kill_filter(_type="normal", skipme=True)

    queues.push(client, {"q": [b"2"]})

    assert r.llen("queue:q") == 2
