import json

from jobsup.api.stats import QueueStats, summarize
from jobsup.store.stats import QueueReply, StatsReply


def a_reply(*queues: QueueReply, busy: tuple[int, ...] = ()) -> StatsReply:
    return StatsReply(0, 0, 0, 0, 0, busy, queues)


def job(**fields: object) -> bytes:
    return json.dumps({"class": "A", "args": [], "jid": "1", **fields}).encode()


def test_enqueued_and_busy_are_sums_and_processes_a_count() -> None:
    stats = summarize(a_reply(QueueReply("a", 2, None), QueueReply("b", 3, None), busy=(4, 0)), now=0.0)

    assert (stats.enqueued, stats.busy, stats.processes) == (5, 4, 2)


def test_latency_is_how_long_the_next_job_has_waited_in_seconds_of_either_generation() -> None:
    old = QueueReply("old", 1, job(enqueued_at=1795462837.5))
    new = QueueReply("new", 1, job(enqueued_at=1795462837500))

    assert summarize(a_reply(old, new), now=1795462840.0).queues == (
        QueueStats("old", 1, 2.5),
        QueueStats("new", 1, 2.5),
    )


def test_latency_falls_back_to_when_the_job_was_made_and_is_never_negative() -> None:
    made = QueueReply("a", 1, job(created_at=1795462837.5))
    ahead = QueueReply("b", 1, job(enqueued_at=1795462999.0))

    assert [q.latency for q in summarize(a_reply(made, ahead), now=1795462840.0).queues] == [2.5, 0.0]


def test_a_next_job_that_is_no_job_has_no_latency() -> None:
    queues = [QueueReply(str(n), 1, raw) for n, raw in enumerate((b"{", b"[1]", b"\xff", b"", b'"x"'))]

    assert {queue.latency for queue in summarize(a_reply(*queues), now=1.8e9).queues} == {0.0}


def test_the_dump_has_exactly_the_documented_keys() -> None:
    dump = summarize(a_reply(QueueReply("a", 2, None)), now=0.0).dump()

    assert list(dump) == [
        *("processed", "failed", "enqueued", "busy", "processes"),
        *("scheduled_size", "retry_size", "dead_size", "queues"),
    ]
    assert json.loads(json.dumps(dump))["queues"] == [{"name": "a", "size": 2, "latency": 0.0}]
