import json

import pytest
import redis

from conftest import Server
from jobsup.errors import RedisRefused, RedisUnavailable
from jobsup.store import keys, stats
from jobsup.store.connection import connect
from jobsup.store.stats import QueueReply, StatsReply, WaitingReply


def a_process(r: redis.Redis, identity: str, busy: int) -> None:
    r.sadd(keys.PROCESSES, identity)
    r.hset(identity, mapping={"info": json.dumps({"identity": identity}), "busy": busy})


def test_an_empty_server_has_zeros_and_no_queues(r: redis.Redis) -> None:
    assert stats.read(r) == StatsReply(0, 0, 0, 0, 0, (), ())


def test_every_number_is_read_from_where_sidekiq_keeps_it(r: redis.Redis) -> None:
    r.mset({keys.PROCESSED: 12, keys.FAILED: 3})
    r.zadd(keys.SCHEDULE, {"a": 1})
    r.zadd(keys.RETRY, {"a": 1, "b": 2})
    r.zadd(keys.DEAD, {"a": 1, "b": 2, "c": 3})
    r.sadd(keys.QUEUES, "mail", "default")
    r.lpush("queue:mail", "first", "second")
    a_process(r, "host:1:aa", busy=2)
    a_process(r, "host:2:bb", busy=1)

    found = stats.read(r)

    assert (found.processed, found.failed) == (12, 3)
    assert (found.scheduled_size, found.retry_size, found.dead_size) == (1, 2, 3)
    assert sorted(found.busy) == [1, 2]
    assert found.queues == (QueueReply("default", 0, None), QueueReply("mail", 2, b"first"))


def test_a_process_whose_record_has_expired_is_not_counted(r: redis.Redis) -> None:
    a_process(r, "host:1:aa", busy=2)
    r.sadd(keys.PROCESSES, "host:9:gone")

    assert stats.read(r).busy == (2,)


def test_reading_takes_two_round_trips_however_many_queues_there_are(server: Server) -> None:
    with server.client() as r:
        r.sadd(keys.QUEUES, *(f"q{n}" for n in range(50)))
        for n in range(20):
            a_process(r, f"host:{n}:aa", busy=0)
    sent = 0

    class Counting(redis.Connection):
        def send_packed_command(self, command: object, check_health: bool = True) -> None:
            nonlocal sent
            sent += 1
            super().send_packed_command(command, check_health)

    pool = redis.ConnectionPool(connection_class=Counting, port=server.port, protocol=2)
    with redis.Redis(connection_pool=pool) as client:
        client.ping()
        sent = 0
        stats.read(client)

    assert sent == 2


@pytest.mark.parametrize(("value", "reads"), [(b"7", 7), (b"7.0", 7), (b"x", 0), (None, 0), (b"inf", 0), (b"nan", 0)])
def test_a_counter_that_is_no_number_reads_as_zero(value: bytes | None, reads: int) -> None:
    assert stats.number(value) == reads


def test_keys_of_a_foreign_type_read_as_empty(r: redis.Redis) -> None:
    r.sadd(keys.QUEUES, "zset", "stream", "good")
    r.zadd("queue:zset", {"x": 1})
    r.xadd("queue:stream", {"x": 1})
    r.lpush("queue:good", "job")
    r.lpush(keys.RETRY, "x")
    r.lpush(keys.PROCESSED, "x")
    r.sadd(keys.PROCESSES, "host:1:aa")
    r.lpush("host:1:aa", "x")

    found = stats.read(r)

    assert {queue.name: queue.size for queue in found.queues} == {"zset": 0, "stream": 0, "good": 1}
    assert (found.processed, found.retry_size, found.busy) == (0, 0, ())


def test_a_queue_name_that_is_no_utf8_is_still_read(r: redis.Redis) -> None:
    r.sadd(keys.QUEUES, b"caf\xe9")
    r.lpush(b"queue:caf\xe9", "job")

    (queue,) = stats.read(r).queues

    assert queue.size == 1
    assert stats.redis_name(queue.name) == b"caf\xe9"


def test_a_server_that_is_away_is_reported_as_unavailable(server: Server) -> None:
    with connect("redis://127.0.0.1:1/0") as client, pytest.raises(RedisUnavailable):
        stats.read(client)


def test_a_user_that_may_not_read_is_reported_as_refused(r: redis.Redis, server: Server) -> None:
    r.acl_setuser("blind", enabled=True, nopass=True, commands=["+ping"])
    try:
        url = f"redis://blind:x@127.0.0.1:{server.port}/0"
        with connect(url) as client, pytest.raises(RedisRefused):
            stats.read(client)
    finally:
        r.acl_deluser("blind")


def test_what_waits_is_read_in_one_round_trip_and_only_of_the_queues_that_are_named(r: redis.Redis) -> None:
    r.zadd(keys.SCHEDULE, {"a": 1})
    r.zadd(keys.RETRY, {"a": 1, "b": 2})
    r.zadd(keys.DEAD, {"a": 1, "b": 2, "c": 3})
    r.lpush("queue:mail", "first", "second")
    r.lpush("queue:other", "x")
    r.set("queue:foreign", "no list")
    packets = r.info("stats")["total_commands_processed"]

    found = stats.waiting(r, ["mail", "empty", "foreign"])

    assert r.info("stats")["total_commands_processed"] - packets == 3 + 2 * 3 + 1
    queues = (QueueReply("mail", 2, b"first"), QueueReply("empty", 0, None), QueueReply("foreign", 0, None))
    assert found == WaitingReply(1, 2, 3, queues)
