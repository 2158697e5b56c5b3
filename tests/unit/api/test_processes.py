import json

import pytest
import redis

from golden import VERSIONS, Version, golden
from jobsup.api.processes import ProcessSet, WorkSet
from jobsup.errors import JobsupError

IDENTITY = "vm:481:14c4d3e37408"
INFO = {
    "hostname": "vm",
    "pid": 481,
    "started_at": 1795462838.028442,
    "concurrency": 4,
    "queues": ["default", "low"],
    "labels": ["interop"],
    "identity": IDENTITY,
}
RECORD = {"busy": "2", "beat": "1795462848.0466287", "quiet": "false", "rss": "29512", "rtt_us": "218"}


def a_process(r: redis.Redis, info: object = None, **fields: object) -> None:
    r.sadd("processes", IDENTITY)
    raw = info if isinstance(info, str | bytes) else json.dumps(INFO if info is None else info)
    r.hset(IDENTITY, mapping={"info": raw, **RECORD, **fields})


def a_work_entry(r: redis.Redis, thread: str, entry: object, key: str = "work") -> None:
    r.sadd("processes", IDENTITY)
    r.hset(f"{IDENTITY}:{key}", thread, entry if isinstance(entry, str) else json.dumps(entry))


def test_a_process_is_read_as_sidekiq_writes_it(r: redis.Redis) -> None:
    a_process(r)

    (process,) = ProcessSet(r)

    assert (process.identity, process.hostname, process.queues) == (IDENTITY, "vm", ["default", "low"])
    assert (process.labels, process.concurrency, process.busy) == (["interop"], 4, 2)
    assert (process.rss, process.rtt_us, process.beat) == (29512, 218, 1795462848.0466287)
    assert not process.is_quiet


def test_the_concurrency_of_8_1_stands_in_a_field_of_its_own(r: redis.Redis) -> None:
    a_process(r, concurrency="7")

    assert [process.concurrency for process in ProcessSet(r)] == [7]


def test_a_process_without_a_record_is_left_out(r: redis.Redis) -> None:
    r.sadd("processes", IDENTITY)

    assert list(ProcessSet(r)) == []
    assert len(ProcessSet(r)) == 0


@pytest.mark.parametrize(
    "info",
    [
        "no JSON",
        "[]",
        "null",
        "[" * 5000,
        {},
        {"queues": None, "labels": "x", "concurrency": "x", "hostname": None},
    ],
)
def test_a_record_that_others_wrote_wrongly_is_still_shown(r: redis.Redis, info: object) -> None:
    a_process(r, info, beat="never", rss="1e3", busy="x", quiet="1")

    (process,) = ProcessSet(r)

    assert (process.identity, process.queues, process.labels, process.hostname) == (IDENTITY, [], [], "")
    assert (process.beat, process.busy, process.rss, process.concurrency) == (0.0, 0, 1000, 0)


def test_the_buttons_leave_sidekiqs_signals(r: redis.Redis) -> None:
    a_process(r)
    process = ProcessSet(r).find(IDENTITY)
    assert process is not None

    process.quiet()
    process.stop()
    process.dump_threads()

    assert r.lrange(f"{IDENTITY}-signals", 0, -1) == [b"TTIN", b"TERM", b"TSTP"]


@pytest.mark.parametrize("version", VERSIONS)
def test_running_jobs_are_read_from_where_each_version_writes_them(r: redis.Redis, version: Version) -> None:
    job = json.dumps({"class": "A", "args": [12], "jid": "ab", "queue": "low"})
    a_work_entry(r, "5y", {"queue": "low", "payload": job, "run_at": 1795462994}, key=golden(version)["work_key"])

    (work,) = WorkSet(r)

    assert (work.identity, work.thread, work.taken_from) == (IDENTITY, "5y", "low")
    assert (work.jid, work.klass, work.args, work.run_at) == ("ab", "A", [12], 1795462994.0)
    assert WorkSet(r).find("ab") is not None


def test_the_longest_running_job_comes_first(r: redis.Redis) -> None:
    for thread, start in (("a", 1795462994), ("b", 1795462990), ("c", 1795462992.5)):
        a_work_entry(r, thread, {"queue": "q", "payload": "{}", "run_at": start})

    assert [work.thread for work in WorkSet(r)] == ["b", "c", "a"]


@pytest.mark.parametrize(
    "entry",
    ["", "no JSON", "[]", {}, {"payload": None}, {"payload": "{"}, {"run_at": "x", "queue": 1, "payload": 2}],
)
def test_a_work_entry_that_others_wrote_wrongly_is_still_shown(r: redis.Redis, entry: object) -> None:
    a_work_entry(r, "t", entry)

    (work,) = WorkSet(r)

    assert (work.thread, work.jid, work.taken_from, work.run_at) == ("t", "", "", 0.0)


def test_the_payload_may_be_an_object_as_before_6(r: redis.Redis) -> None:
    a_work_entry(r, "t", {"queue": "q", "payload": {"class": "A", "args": [], "jid": "ab"}, "run_at": 1})

    assert [work.jid for work in WorkSet(r)] == ["ab"]


def test_a_running_job_is_cancelled_through_the_signals_of_its_process(r: redis.Redis) -> None:
    a_process(r)
    a_work_entry(r, "p1", {"queue": "a", "payload": json.dumps({"class": "K", "jid": "abc", "args": []})})
    r.zadd("jobsup:leases", {IDENTITY: 1.0})
    work = WorkSet(r).find("abc")
    assert work is not None
    work.cancel()

    assert r.lrange(f"{IDENTITY}-signals", 0, -1) == [b"CANCEL abc"]
    assert 0 < r.ttl(f"{IDENTITY}-signals") <= 60


def test_sidekiqs_own_processes_are_never_sent_a_word_they_would_take_for_a_signal(r: redis.Redis) -> None:
    a_process(r)
    a_work_entry(r, "p1", {"queue": "a", "payload": json.dumps({"class": "K", "jid": "abc", "args": []})})
    work = WorkSet(r).find("abc")
    assert work is not None

    with pytest.raises(JobsupError, match="no process of jobsup"):
        work.cancel()
    assert not r.exists(f"{IDENTITY}-signals")
