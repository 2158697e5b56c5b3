import redis

from jobsup.store import keys, reading


def test_a_page_of_a_queue_begins_with_the_newest(r: redis.Redis) -> None:
    r.lpush("queue:q", "old", "middle", "new")

    assert reading.queue_page(r, "q", 0, 2) == (3, [b"new", b"middle"])
    assert reading.queue_page(r, "q", 2, 2) == (3, [b"old"])
    assert reading.queue_oldest(r, "q") == b"old"


def test_a_page_of_a_set_begins_at_the_edge_itself(r: redis.Redis) -> None:
    r.zadd(keys.RETRY, {"a": 1.5, "b": 2.5, "c": 3.5})

    assert reading.set_page(r, keys.RETRY, 2.5, 9, newest_first=True) == [(b"b", 2.5), (b"a", 1.5)]
    assert reading.set_page(r, keys.RETRY, 2.5, 9, newest_first=False) == [(b"b", 2.5), (b"c", 3.5)]


def test_running_jobs_of_both_generations_are_read_and_none_twice(r: redis.Redis) -> None:
    r.sadd(keys.PROCESSES, "new:1:a", "old:2:b", "both:3:c")
    r.hset("new:1:a:work", "t1", "n")
    r.hset("old:2:b:workers", "t2", "o")
    r.hset("both:3:c:work", "t3", "b")
    r.hset("both:3:c:workers", "t3", "b")

    found = [(work.identity, work.thread, work.entry) for work in reading.work(r)]

    assert found == [("both:3:c", "t3", b"b"), ("new:1:a", "t1", b"n"), ("old:2:b", "t2", b"o")]


def test_keys_of_a_foreign_type_read_as_empty_everywhere(r: redis.Redis) -> None:
    for key in (keys.QUEUES, keys.PROCESSES, keys.RETRY, "queue:q"):
        r.set(key, "text")

    assert reading.queue_names(r) == []
    assert reading.queue_page(r, "q", 0, 9) == (0, [])
    assert reading.queue_oldest(r, "q") is None
    assert reading.set_size(r, keys.RETRY) == 0
    assert reading.set_page(r, keys.RETRY, float("inf"), 9, newest_first=True) == []
    assert reading.processes(r) == []
    assert reading.work(r) == []
