"""The Lua scripts, each against a real server."""

from __future__ import annotations

import time

import pytest
import redis

from jobsup.errors import Fenced, RedisRefused
from jobsup.store import keys, scripts

ME = "host:1:aaaaaaaaaaaa"
OTHER = "host:2:bbbbbbbbbbbb"


@pytest.fixture
def run(r: redis.Redis) -> scripts.Run:
    return scripts.runner(r)


def register(run: scripts.Run, identity: str = ME, queues: str = '["a","b"]', lease: int = 15) -> None:
    scripts.register(run, identity, lease=lease, queues=queues, place="", pid=1, start="1")


def take(run: scripts.Run, wanted: int, *queues: str) -> list[tuple[str, bytes]]:
    return scripts.turn(run, ME, [], [], queues, wanted).taken


def beat(run: scripts.Run, **changed: object) -> str | None:
    facts: dict[str, object] = {
        "lease": 15,
        "wire": 8,
        "date": "2026-11-23",
        "processed": 0,
        "failed": 0,
        "work": {},
        "record": {"info": b"{}", "beat": "1.5"},
    }
    return scripts.beat(run, ME, **(facts | changed))  # type: ignore[arg-type]


def test_a_taken_job_lies_in_the_in_flight_list_and_nowhere_else(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1")

    assert take(run, 1, "a") == [("a", b"1")]
    assert r.lrange(keys.inflight(ME, "a"), 0, -1) == [b"1"]
    assert r.llen("queue:a") == 0


def test_jobs_are_taken_oldest_first_and_earlier_queues_first(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1", "2")
    r.lpush("queue:b", "3", "4")

    assert take(run, 3, "a", "b") == [("a", b"1"), ("a", b"2"), ("b", b"3")]


def test_a_share_that_its_queue_cannot_fill_is_filled_from_the_fallbacks(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1")
    r.lpush("queue:b", "2", "3", "4")

    turn = scripts.turn(run, ME, [], [("a", 3)], ["b"], 3)

    assert turn.taken == [("a", b"1"), ("b", b"2"), ("b", b"3")]


def test_an_identity_without_a_lease_can_take_nothing(r: redis.Redis, run: scripts.Run) -> None:
    r.lpush("queue:a", "1")

    with pytest.raises(Fenced):
        take(run, 1, "a")
    assert r.llen("queue:a") == 1


def test_more_jobs_than_lua_can_unpack_at_once_are_taken_in_order(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", *range(20_001))

    assert take(run, 20_001, "a") == [("a", b"%d" % n) for n in range(20_001)]
    assert r.lrange(keys.inflight(ME, "a"), 0, -1) == [b"%d" % n for n in reversed(range(20_001))]


def test_acknowledging_removes_the_job(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1")
    take(run, 1, "a")

    assert scripts.turn(run, ME, [("a", "a", b"1")], [], [], 0).ours == [True]
    assert not r.exists(keys.inflight(ME, "a"))


def test_a_job_that_is_not_ours_any_more_settles_to_nothing(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    settlements: list[scripts.Settlement] = [
        ("a", "a", b"1"),
        ("b", "a", b"1"),
        ("r", "a", b"1", "5.0", b"again"),
        ("d", "a", b"1", "5.0", b"dead", "0", -10_000),
        interrupted("j1", most=0),
    ]

    turn = scripts.turn(run, ME, settlements, [], [], 0)

    assert turn.ours == [False] * 5
    assert not r.exists("queue:a", "retry", "dead", keys.interruptions("j1"))


def interrupted(jid: str, most: int, payload: bytes = b"buried") -> scripts.Settlement:
    return scripts.interruption("a", b"1", jid, most, ("200.0", payload, "50.0", -10_000))


@pytest.mark.parametrize("most", [0, 2])
def test_a_job_is_given_back_as_often_as_it_may_be_interrupted_and_then_buried(
    r: redis.Redis, run: scripts.Run, most: int
) -> None:
    register(run)
    r.lpush("queue:a", "1")
    for n in range(most):
        take(run, 1, "a")
        turn = scripts.turn(run, ME, [interrupted("j1", most)], [], [], 0)
        assert (turn.ours, turn.worn) == ([True], [False])
        assert r.lrange("queue:a", 0, -1) == [b"1"]
        assert r.get(keys.interruptions("j1")) == str(n + 1).encode()
        assert 0 < r.ttl(keys.interruptions("j1")) <= keys.INTERRUPTIONS_TTL
    take(run, 1, "a")
    turn = scripts.turn(run, ME, [interrupted("j1", most)], [], [], 0)
    assert (turn.ours, turn.worn) == ([True], [True])
    assert r.zrange("dead", 0, -1) == [b"buried"]
    assert not r.exists("queue:a", keys.interruptions("j1"), keys.inflight(ME, "a"))


def test_a_job_that_was_interrupted_too_often_and_wants_no_trace_leaves_none(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1")
    take(run, 1, "a")

    assert scripts.turn(run, ME, [interrupted("j1", 0, b"")], [], [], 0).worn == [True]
    assert not r.exists("queue:a", "dead", keys.interruptions("j1"), keys.inflight(ME, "a"))


@pytest.mark.parametrize("jid", ["", "\ud800", "j" * 1_000_000, "a b\r\n"])
def test_whatever_a_payload_calls_its_jid_its_interruptions_can_be_counted(
    r: redis.Redis, run: scripts.Run, jid: str
) -> None:
    register(run)
    r.lpush("queue:a", "1")
    take(run, 1, "a")

    assert scripts.turn(run, ME, [interrupted(jid, 1)], [], [], 0).ours == [True]
    (counter,) = r.keys("jobsup:interruptions:*")
    assert len(counter) < 300


def test_a_retry_leaves_the_list_and_enters_the_set_in_one_step(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1")
    take(run, 1, "a")

    scripts.turn(run, ME, [("r", "a", b"1", "1795461656.4397697", b"again")], [], [], 0)

    assert r.zrange("retry", 0, -1, withscores=True) == [(b"again", 1795461656.4397697)]
    assert not r.exists(keys.inflight(ME, "a"))


def test_the_dead_set_is_trimmed_by_age_and_to_one_less_than_its_limit(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.zadd("dead", {"ancient": 1.0, "x": 100.0, "y": 101.0, "z": 102.0})
    r.lpush("queue:a", "1")
    take(run, 1, "a")

    scripts.turn(run, ME, [("d", "a", b"1", "200.0", b"buried", "50.0", -4)], [], [], 0)

    assert r.zrange("dead", 0, -1) == [b"y", b"z", b"buried"]


def test_what_is_given_back_is_the_next_to_be_fetched(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1", "2", "3")
    take(run, 2, "a")

    scripts.turn(run, ME, [("b", "a", b"2"), ("b", "a", b"1")], [], [], 0)

    assert take(run, 3, "a") == [("a", b"1"), ("a", b"2"), ("a", b"3")]


def test_a_queue_that_is_no_list_is_reported_and_the_others_go_on(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.set("queue:a", "oops")
    r.lpush("queue:b", "1")

    turn = scripts.turn(run, ME, [], [], ["a", "b"], 2)

    assert turn.broken == ["a"]
    assert turn.taken == [("b", b"1")]


def test_a_beat_publishes_the_record_and_counts_by_day(r: redis.Redis, run: scripts.Run) -> None:
    register(run)

    assert beat(run, processed=3, failed=1, work={"p1": b"{}"}) is None

    assert r.smembers("processes") == {ME.encode()}
    assert r.hgetall(ME)[b"beat"] == b"1.5"
    assert r.hgetall(f"{ME}:work") == {b"p1": b"{}"}
    assert [r.get(k) for k in ("stat:processed", "stat:failed", "stat:processed:2026-11-23")] == [
        b"3",
        b"1",
        b"3",
    ]
    assert 0 < r.ttl(ME) <= 60
    assert r.ttl("stat:failed:2026-11-23") == keys.STAT_TTL


def test_a_beat_returns_one_signal_in_the_order_they_were_asked_for(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush(keys.signals(ME), "TSTP")
    r.lpush(keys.signals(ME), "TERM")

    assert [beat(run), beat(run), beat(run)] == ["TSTP", "TERM", None]


def test_more_running_jobs_than_lua_can_unpack_at_once_are_published(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    beat(run, work={f"p{n}": b"%d" % n for n in range(10_001)})

    assert r.hlen(f"{ME}:work") == 10_001
    assert r.hget(f"{ME}:work", "p10000") == b"10000"
    assert r.hget(ME, "beat") == b"1.5"


def test_the_work_hash_goes_when_nothing_runs(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    beat(run, work={"p1": b"{}"})
    beat(run)

    assert not r.exists(f"{ME}:work")


def test_for_sidekiq_6_the_running_jobs_are_called_workers(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    beat(run, wire=6, work={"p1": b"{}"})

    assert r.exists(f"{ME}:workers")


def test_a_beat_without_a_lease_is_fenced(run: scripts.Run) -> None:
    with pytest.raises(Fenced):
        beat(run)


def test_giving_back_keeps_the_order_and_names_the_queue(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1", "2", "3")
    take(run, 2, "a")

    assert scripts.give_back(run, ME) == 2

    assert r.lrange("queue:a", 0, -1) == [b"3", b"2", b"1"]
    assert r.sismember("queues", "a")
    assert r.zscore(keys.LEASES, ME) is None


def test_two_recoverers_give_each_job_back_once(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1")
    take(run, 1, "a")

    assert [scripts.give_back(run, ME), scripts.give_back(run, ME)] == [1, 0]
    assert r.llen("queue:a") == 1


def test_a_sweep_leaves_an_identity_alone_whose_lease_runs(run: scripts.Run) -> None:
    register(run)

    assert scripts.give_back(run, ME, only_if_expired=True) is None


def test_an_expired_lease_is_found_and_given_back(r: redis.Redis, run: scripts.Run) -> None:
    register(run, lease=-1)
    register(run, OTHER)
    r.lpush(keys.inflight(ME, "b"), "1")

    assert scripts.expired(run) == ([ME], [])
    assert scripts.give_back(run, ME, only_if_expired=True) == 1
    assert scripts.expired(run) == ([], [ME])


def test_a_job_that_arrives_after_the_sweep_is_found_by_the_next_one(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    scripts.give_back(run, ME)
    r.lpush(keys.inflight(ME, "a"), "late")  # a blocking move the server had accepted from the dead connection

    assert scripts.give_back(run, ME) == 1
    assert r.lrange("queue:a", 0, -1) == [b"late"]


def test_a_swept_identity_is_forgotten_after_a_while(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    scripts.give_back(run, ME)
    scripts.give_back(run, ME, remember=-1)

    assert not r.exists(keys.SWEPT, keys.owner(ME))


def test_a_swept_identity_is_looked_at_just_after_the_sweep_and_once_more_before_it_is_forgotten(
    r: redis.Redis, run: scripts.Run
) -> None:
    now = time.time()
    r.zadd(keys.SWEPT, {"just now": now - 5, "a while ago": now - 300, "long ago": now - 700})

    assert scripts.expired(run) == ([], ["just now", "long ago"])


def test_a_queue_that_became_something_else_loses_no_job(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1")
    r.lpush("queue:b", "2")
    take(run, 2, "a", "b")
    r.set("queue:a", "oops")

    assert scripts.give_back(run, ME, remember=-1) == 1
    assert r.lrange(keys.inflight(ME, "a"), 0, -1) == [b"1"]
    r.delete("queue:a")
    assert scripts.give_back(run, ME, remember=-1) == 1
    assert r.lrange("queue:a", 0, -1) == [b"1"]


def test_more_jobs_than_lua_can_unpack_at_once_go_back_in_order(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    jobs = [str(i) for i in range(9_001)]
    r.lpush(keys.inflight(ME, "a"), *jobs)

    assert scripts.give_back(run, ME) == 9_001
    assert r.lpop("queue:a") == b"9000"
    assert r.rpop("queue:a") == b"0"


def test_leaving_removes_every_trace_but_the_record_and_that_it_was_there(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    beat(run, work={"p1": b"{}"})

    assert scripts.leave(run, ME, wire=8, queues=["a", "b"]) == 0
    assert set(r.keys()) == {ME.encode(), keys.SWEPT.encode(), keys.owner(ME).encode()}
    scripts.give_back(run, ME, remember=-1)
    assert set(r.keys()) == {ME.encode()}


def test_a_job_that_arrives_after_its_worker_has_left_is_found_by_the_next_sweep(
    r: redis.Redis, run: scripts.Run
) -> None:
    register(run)
    scripts.leave(run, ME, wire=8, queues=["a", "b"])
    r.lpush(keys.inflight(ME, "a"), "late")  # a blocking move the server had accepted from a lost connection

    assert scripts.expired(run) == ([], [ME])
    assert scripts.give_back(run, ME) == 1
    assert r.lrange("queue:a", 0, -1) == [b"late"]


def test_leaving_leaves_nothing_of_one_that_never_registered(r: redis.Redis, run: scripts.Run) -> None:
    scripts.leave(run, ME, wire=8, queues=["a"])

    assert not r.keys()


@pytest.mark.parametrize("how", ["given back", "interrupted"])
def test_what_cannot_go_back_because_its_queue_is_no_list_stays_in_flight(
    r: redis.Redis, run: scripts.Run, how: str
) -> None:
    register(run)
    r.lpush("queue:a", "1")
    take(run, 1, "a")
    r.set("queue:a", "oops")

    scripts.turn(run, ME, [("b", "a", b"1") if how == "given back" else interrupted("j1", 3)], [], [], 0)

    assert r.lrange(keys.inflight(ME, "a"), 0, -1) == [b"1"]


def test_a_suspect_whose_quarantine_is_no_list_goes_back_to_its_queue(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1")
    take(run, 1, "a")
    r.set("queue:a.quarantine", "oops")

    assert scripts.give_back(run, ME, decided=[("q", "a", b"1", "a.quarantine", "crashes", "record", 9)]) == 1
    assert r.lrange("queue:a", 0, -1) == [b"1"]
    assert not r.exists("crashes")


def test_leaving_with_jobs_in_flight_keeps_the_lease(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.lpush("queue:a", "1")
    take(run, 1, "a")

    assert scripts.leave(run, ME, wire=8, queues=["a", "b"]) == 1
    assert r.zscore(keys.LEASES, ME)


def test_registering_again_after_a_sweep_makes_the_identity_whole(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    scripts.give_back(run, ME)
    register(run)

    assert scripts.expired(run) == ([], [])
    assert take(run, 1, "a") == []


def test_a_due_job_moves_once_however_many_schedulers_try(r: redis.Redis, run: scripts.Run) -> None:
    r.zadd("schedule", {"job": 5.0})

    moved = [scripts.enqueue_due(run, "schedule", 6.0, [(b"job", "a", b"pushed")]) for _ in range(2)]

    assert moved == [1, 0]
    assert r.lrange("queue:a", 0, -1) == [b"pushed"]
    assert r.smembers("queues") == {b"a"}


def test_a_due_member_that_is_no_job_goes_to_the_dead_set_byte_for_byte(r: redis.Redis, run: scripts.Run) -> None:
    r.zadd("retry", {b"\xff\x00": 5.0})

    scripts.enqueue_due(run, "retry", 6.0, [(b"\xff\x00", "", b"")])

    assert r.zrange("dead", 0, -1, withscores=True) == [(b"\xff\x00", 6.0)]
    assert not r.exists("retry")


def test_a_due_job_whose_queue_is_no_list_is_not_lost(r: redis.Redis, run: scripts.Run) -> None:
    r.set("queue:a", "oops")
    r.zadd("retry", {"job": 5.0})

    scripts.enqueue_due(run, "retry", 6.0, [(b"job", "a", b"pushed")])

    assert r.zrange("dead", 0, -1) == [b"job"]


def test_a_script_that_the_server_forgot_is_loaded_again(r: redis.Redis, run: scripts.Run) -> None:
    register(run)
    r.script_flush()
    register(run)

    assert r.zscore(keys.LEASES, ME) > time.time()


def test_an_error_of_the_server_is_one_of_ours(r: redis.Redis, run: scripts.Run) -> None:
    r.set(keys.LEASES, "oops")

    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        register(run)
