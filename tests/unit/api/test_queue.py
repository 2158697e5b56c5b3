import json

import redis

from jobsup.api.queue import PAGE, Queue


def fill(r: redis.Redis, count: int, first: int = 0) -> None:
    r.sadd("queues", "q")
    for n in range(first, first + count):
        r.lpush("queue:q", json.dumps({"class": "A", "args": [], "jid": str(n)}))


def test_a_queue_is_read_newest_first_over_many_pages(r: redis.Redis) -> None:
    fill(r, 2 * PAGE + 5)

    assert [job.jid for job in Queue(r, "q")] == [str(n) for n in reversed(range(2 * PAGE + 5))]


def test_deleting_while_reading_misses_none(r: redis.Redis) -> None:
    fill(r, 3 * PAGE)

    assert sum(job.delete() for job in Queue(r, "q")) == 3 * PAGE
    assert Queue(r, "q").size == 0


def test_jobs_that_stay_are_seen_while_others_come_and_go(r: redis.Redis) -> None:
    fill(r, 3 * PAGE)
    seen = set()

    for n, job in enumerate(Queue(r, "q")):
        seen.add(job.jid)
        if n % 10 == 0:
            fill(r, 3, first=1000 + n)
            r.rpop("queue:q")

    left = {json.loads(raw)["jid"] for raw in r.lrange("queue:q", 0, -1)}
    assert {jid for jid in left if int(jid) < 1000} <= seen


def test_reading_a_queue_that_is_emptied_ends(r: redis.Redis) -> None:
    fill(r, 3 * PAGE)
    reader = iter(Queue(r, "q"))
    next(reader)

    r.delete("queue:q")

    assert len(list(reader)) == PAGE - 1


def test_a_job_is_found_by_its_id_and_deleted_once(r: redis.Redis) -> None:
    fill(r, 3)
    job = Queue(r, "q").find("1")

    assert job is not None
    assert job.delete()
    assert not job.delete()
    assert Queue(r, "q").find("1") is None


def test_all_queues_are_listed_and_one_can_be_cleared(r: redis.Redis) -> None:
    fill(r, 3)
    r.sadd("queues", "empty")

    assert [(queue.name, len(queue), queue.latency) for queue in Queue.all(r)] == [
        ("empty", 0, 0.0),
        ("q", 3, 0.0),
    ]
    assert Queue(r, "q").clear() == 3
    assert [queue.name for queue in Queue.all(r)] == ["empty"]


def test_garbage_between_jobs_is_listed_with_its_bytes(r: redis.Redis) -> None:
    r.lpush("queue:q", b"{not JSON", b"\xff", b"[1]")

    assert [job.raw for job in Queue(r, "q")] == [b"[1]", b"\xff", b"{not JSON"]
