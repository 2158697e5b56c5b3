import threading

import redis

from conftest import Server
from jobsup.store import keys, repair


def test_an_entry_moves_to_its_queue_in_one_step(r: redis.Redis) -> None:
    r.zadd(keys.RETRY, {"old": 5})

    assert repair.enqueue(r, keys.RETRY, b"old", "mail", b"new", now=1.0)

    assert r.lrange("queue:mail", 0, -1) == [b"new"]
    assert r.smembers(keys.QUEUES) == {b"mail"}
    assert r.zcard(keys.RETRY) == 0


def test_an_entry_that_is_gone_is_not_enqueued_again(r: redis.Redis) -> None:
    assert not repair.enqueue(r, keys.RETRY, b"old", "mail", b"new", now=1.0)

    assert r.llen("queue:mail") == 0


def test_many_people_pressing_retry_enqueue_the_job_once(server: Server) -> None:
    with server.client() as r:
        r.zadd(keys.DEAD, {f"job{n}": n for n in range(50)})

        def press() -> None:
            with server.client() as client:
                for n in range(50):
                    member = b"job%d" % n
                    repair.enqueue(client, keys.DEAD, member, "q", member, now=1.0)

        threads = [threading.Thread(target=press) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(r.lrange("queue:q", 0, -1)) == sorted(b"job%d" % n for n in range(50))


def test_a_job_whose_queue_is_no_list_is_not_lost(r: redis.Redis) -> None:
    r.set("queue:broken", "text")
    r.zadd(keys.RETRY, {"job": 5})

    repair.enqueue(r, keys.RETRY, b"job", "broken", b"new", now=7.0)

    assert r.zrange(keys.DEAD, 0, -1, withscores=True) == [(b"job", 7.0)]


def test_a_killed_entry_is_dead_from_now_on_byte_for_byte(r: redis.Redis) -> None:
    r.zadd(keys.RETRY, {b"\xff not JSON": 5})

    assert repair.kill(r, keys.RETRY, b"\xff not JSON", now=100.5, oldest=0.0, most=10)

    assert r.zrange(keys.DEAD, 0, -1, withscores=True) == [(b"\xff not JSON", 100.5)]
    assert r.zcard(keys.RETRY) == 0


def test_killing_trims_the_old_and_the_many(r: redis.Redis) -> None:
    r.zadd(keys.DEAD, {"ancient": 1, "b": 50, "c": 60, "d": 70})
    r.zadd(keys.RETRY, {"job": 5})

    repair.kill(r, keys.RETRY, b"job", now=100.0, oldest=10.0, most=4)

    assert r.zrange(keys.DEAD, 0, -1) == [b"c", b"d", b"job"]


def test_an_entry_that_is_gone_does_not_become_dead(r: redis.Redis) -> None:
    assert not repair.kill(r, keys.RETRY, b"job", now=1.0, oldest=0.0, most=10)

    assert r.zcard(keys.DEAD) == 0


def test_rescheduling_moves_an_entry_and_never_makes_a_second(r: redis.Redis) -> None:
    r.zadd(keys.SCHEDULE, {"job": 5})

    assert repair.reschedule(r, keys.SCHEDULE, b"job", 9.5)
    assert repair.reschedule(r, keys.SCHEDULE, b"job", 9.5)
    assert not repair.reschedule(r, keys.SCHEDULE, b"gone", 9.5)

    assert r.zrange(keys.SCHEDULE, 0, -1, withscores=True) == [(b"job", 9.5)]


def test_deleting_one_of_two_equal_jobs_leaves_the_other(r: redis.Redis) -> None:
    r.lpush("queue:q", "job", "job")

    assert repair.remove_job(r, "q", b"job")

    assert r.llen("queue:q") == 1


def test_clearing_a_queue_forgets_its_name(r: redis.Redis) -> None:
    r.sadd(keys.QUEUES, "q", "other")
    r.lpush("queue:q", "a", "b")

    assert repair.clear_queue(r, "q") == 2

    assert r.smembers(keys.QUEUES) == {b"other"}
    assert not r.exists("queue:q")


def test_a_signal_waits_a_minute_for_the_process_to_look(r: redis.Redis) -> None:
    repair.ask(r, "host:1:aa", "TSTP")
    repair.ask(r, "host:1:aa", "TERM")

    assert r.rpop("host:1:aa-signals") == b"TSTP"
    assert 0 < r.ttl("host:1:aa-signals") <= 60
