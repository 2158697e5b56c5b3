import json
import time

import pytest
import redis

from jobsup.api.sets import PAGE, DeadSet, RetrySet, ScheduledSet, requeued
from jobsup.errors import MalformedPayload


def job(jid: str = "1", **fields: object) -> str:
    return json.dumps({"class": "A", "args": [1], "queue": "mail", "jid": jid, **fields}, separators=(",", ":"))


def queued(r: redis.Redis, name: str = "mail") -> list[dict[str, object]]:
    return [json.loads(raw) for raw in r.lrange(f"queue:{name}", 0, -1)]


def test_entries_come_newest_or_oldest_first_over_many_pages(r: redis.Redis) -> None:
    count = 2 * PAGE + 5
    r.zadd("dead", {job(str(n)): n for n in range(count)})

    assert [int(entry.jid) for entry in DeadSet(r)] == list(reversed(range(count)))
    assert [entry.score for entry in DeadSet(r).entries(newest_first=False)] == list(map(float, range(count)))
    assert len(DeadSet(r)) == count


def test_a_bulk_that_shares_one_score_is_read_completely_and_each_once(r: redis.Redis) -> None:
    r.zadd("schedule", {job(str(n)): 5.5 for n in range(7 * PAGE)})
    r.zadd("schedule", {job("last"): 1.0, job("first"): 9.0})

    found = [entry.jid for entry in ScheduledSet(r)]

    assert (found[0], found[-1]) == ("first", "last")
    assert len(found) == len(set(found)) == 7 * PAGE + 2


def test_deleting_while_reading_misses_none(r: redis.Redis) -> None:
    r.zadd("retry", {job(str(n)): n // 150 for n in range(4 * PAGE)})

    assert sum(entry.delete() for entry in RetrySet(r)) == 4 * PAGE
    assert len(RetrySet(r)) == 0


def test_adding_to_the_queue_stamps_the_time_in_the_generation_of_the_job() -> None:
    _, old = requeued({"class": "A", "args": [], "created_at": 1.5, "queue": "q"}, now=1795462837.25)
    _, new = requeued({"class": "A", "args": [], "created_at": 1500, "queue": "q"}, now=1795462837.25)

    assert json.loads(old)["enqueued_at"] == 1795462837.25
    assert json.loads(new)["enqueued_at"] == 1795462837250


def test_a_job_without_a_queue_goes_to_the_default_one_and_loses_its_schedule() -> None:
    queue, raw = requeued({"class": "A", "args": [], "at": 5}, now=1.0)

    assert queue == json.loads(raw)["queue"] == "default"
    assert "at" not in json.loads(raw)


def test_retrying_gives_the_attempt_back_and_keeps_unknown_keys(r: redis.Redis) -> None:
    r.zadd("retry", {job(retry_count=2, bid="from-ruby"): time.time() + 900})
    (entry,) = RetrySet(r)

    assert entry.retry()
    assert not entry.retry()

    (found,) = queued(r)
    assert (found["retry_count"], found["bid"], found["args"]) == (1, "from-ruby", [1])
    assert len(RetrySet(r)) == 0


def test_adding_to_the_queue_leaves_the_attempts_as_they_are(r: redis.Redis) -> None:
    r.zadd("dead", {job(retry_count=2): 5})
    (entry,) = DeadSet(r)

    assert entry.add_to_queue()

    assert queued(r)[0]["retry_count"] == 2


def test_killing_moves_the_stored_bytes_to_the_dead(r: redis.Redis) -> None:
    raw = '{"class": "A",  "args":[1e16], "x":"\\u00e9"}'
    r.zadd("retry", {raw: 5})
    (entry,) = RetrySet(r)

    assert entry.kill()

    (dead,) = DeadSet(r)
    assert dead.raw == raw.encode()
    assert abs(dead.score - time.time()) < 60


def test_rescheduling_goes_by_the_stored_bytes(r: redis.Redis) -> None:
    r.zadd("schedule", {'{"class": "A",  "args":[1e16]}': 5})
    (entry,) = ScheduledSet(r)

    assert entry.reschedule(77.5)

    assert [found.score for found in ScheduledSet(r)] == [77.5]


def test_what_is_no_job_is_listed_and_can_be_deleted_but_not_enqueued(r: redis.Redis) -> None:
    r.zadd("dead", {b"\xff{": 5})
    (entry,) = DeadSet(r)

    with pytest.raises(MalformedPayload, match="delete it"):
        entry.retry()
    assert (entry.payload, entry.jid, entry.raw) == (None, "", b"\xff{")
    assert len(DeadSet(r)) == 1
    assert entry.delete()


def test_an_entry_is_found_by_its_job_id_and_a_set_can_be_cleared(r: redis.Redis) -> None:
    r.zadd("dead", {job("a"): 5, job("b"): 6})

    found = DeadSet(r).find("a")

    assert found is not None
    assert found.score == 5.0
    assert DeadSet(r).find("c") is None
    assert DeadSet(r).clear() == 2
    assert list(DeadSet(r)) == []
