from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from conftest import Server
from jobsup.errors import RedisRefused, RedisUnavailable
from jobsup.store import queues
from jobsup.store.connection import connect


def test_the_first_pushed_is_the_first_at_the_fetching_end(server: Server, r: redis.Redis) -> None:
    queues.Pusher(connect(server.url)).push({"q": [b"1", b"2"], "p": [b"3"]})

    assert r.lrange("queue:q", 0, -1) == [b"2", b"1"]
    assert r.lrange("queue:p", 0, -1) == [b"3"]
    assert r.smembers("queues") == {b"q", b"p"}


def test_a_score_is_the_float_that_was_given(server: Server, r: redis.Redis) -> None:
    queues.Pusher(connect(server.url)).push({}, [(1795470183.1703303, b"a"), (1795470183.1703303, b"b")])

    assert r.zrange("schedule", 0, -1, withscores=True) == [
        (b"a", 1795470183.1703303),
        (b"b", 1795470183.1703303),
    ]


def test_a_key_of_the_wrong_type_is_refused(server: Server, r: redis.Redis) -> None:
    r.set("queue:q", "text")

    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        queues.Pusher(connect(server.url)).push({"q": [b"1"]})


def test_nobody_answering_is_said(own_server: Server) -> None:
    pusher = queues.Pusher(connect(own_server.url))
    own_server.kill()

    with pytest.raises(RedisUnavailable):
        pusher.push({"q": [b"1"]})


def test_a_server_that_became_a_replica_is_asked_once_more_and_then_refused(own_server: Server) -> None:
    pusher = queues.Pusher(connect(own_server.url))
    pusher.push({"q": [b"1"]})
    with own_server.client() as other:
        other.replicaof("127.0.0.1", 1)
        before = other.info("stats")["total_connections_received"]

        with pytest.raises(RedisRefused, match="replica"):
            pusher.push({"q": [b"1"]})

        assert other.info("stats")["total_connections_received"] == before + 1
        other.replicaof("NO", "ONE")
    pusher.push({"q": [b"1"]})


def test_what_is_sent_on_a_connection_that_the_server_closed_is_sent_on_another(server: Server, r: redis.Redis) -> None:
    pusher = queues.Pusher(connect(server.url))
    pusher.push({"q": [b"1"]})
    r.client_kill_filter(_type="normal", skipme=True)

    pusher.push({"q": [b"2"]})

    assert r.llen("queue:q") == 2


def test_threads_never_share_a_connection_and_a_later_push_takes_one_that_is_free(
    server: Server, r: redis.Redis
) -> None:
    pusher = queues.Pusher(connect(server.url))
    before = r.info("stats")["total_connections_received"]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: pusher.push({"q": [b"%d" % n]}), range(200)))

    assert r.llen("queue:q") == 200
    assert r.info("stats")["total_connections_received"] - before <= 4
