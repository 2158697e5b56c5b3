"""What waits in memory while Redis is away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest
import redis

from conftest import Server, eventually
from jobsup.client import Client
from jobsup.errors import RedisRefused, RedisUnavailable
from jobsup.middleware.chain import Chain
from jobsup.reliable import CAPACITY, Backlog, Batch


def numbers(r: redis.Redis, queue: str = "default") -> list[object]:
    return [json.loads(raw)["args"][0] for raw in reversed(r.lrange(f"queue:{queue}", 0, -1))]


@pytest.fixture
def client(own_server: Server) -> Client:
    return Client(own_server.url, middleware=Chain(), reliable_push=True)


def job(number: int) -> dict[str, object]:
    return {"class": "X", "args": [number]}


def test_jobs_wait_while_redis_is_away_and_go_first_and_in_order_when_it_is_back(
    own_server: Server, client: Client
) -> None:
    client.push(job(0))
    own_server.kill()
    jids = [client.push(job(n)) for n in (1, 2)] + client.push_bulk({"class": "X", "args": [[3], [4]]})
    assert len(set(jids)) == 4
    assert client.waiting == 4

    own_server.start()
    client.push(job(5))

    with own_server.client() as r:
        assert numbers(r) == [0, 1, 2, 3, 4, 5]
        assert [json.loads(raw)["jid"] for raw in reversed(r.lrange("queue:default", 1, 4))] == jids
    assert client.waiting == 0


def test_a_full_backlog_refuses_the_next_job_and_takes_it_again_once_redis_is_back(
    own_server: Server, client: Client
) -> None:
    own_server.kill()
    client.push_bulk({"class": "X", "args": [[n] for n in range(CAPACITY)]})

    with pytest.raises(RedisUnavailable, match="1000 of at most 1000 jobs wait in memory, so this push is refused"):
        client.push(job(CAPACITY))

    own_server.start()
    client.push(job(CAPACITY + 1))
    with own_server.client() as r:
        assert numbers(r) == [*range(CAPACITY), CAPACITY + 1]


def test_without_it_a_push_is_refused_at_once(own_server: Server) -> None:
    client = Client(own_server.url, middleware=Chain())
    own_server.kill()

    with pytest.raises(RedisUnavailable):
        client.push(job(1))
    assert client.waiting == 0


def test_a_job_that_redis_refuses_is_not_kept(own_server: Server, client: Client) -> None:
    with own_server.client() as r:
        r.set("queue:default", "text")

    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        client.push(job(1))
    assert client.waiting == 0


def test_what_waits_and_is_refused_goes_on_waiting_and_the_next_push_says_so(
    own_server: Server, client: Client
) -> None:
    own_server.kill()
    client.push(job(1))
    own_server.start()
    with own_server.client() as r:
        r.set("queue:default", "text")
        with pytest.raises(RedisRefused, match="WRONGTYPE"):
            client.push({"class": "X", "args": [2], "queue": "other"})
        assert (client.waiting, r.exists("queue:other")) == (1, 0)
        r.delete("queue:default")
        client.flush()
        assert numbers(r) == [1]


PROGRAM = """
import os, signal, sys
from jobsup.client import Client
client = Client(sys.argv[1], reliable_push=True)
for n in range(3):
    client.push({"class": "X", "args": [n]})
print(client.waiting, flush=True)
sys.stdin.readline()
"""


def test_a_process_that_ends_tries_once_more(own_server: Server) -> None:
    own_server.kill()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, own_server.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "3\n"
        own_server.start()
        process.communicate("\n", timeout=20)

    assert process.returncode == 0
    with own_server.client() as r:
        assert numbers(r) == [0, 1, 2]


def test_a_process_that_ends_without_redis_says_how_many_jobs_are_lost_with_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "redis://:secret@127.0.0.1:1/0"],
        input="\n",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.stderr.startswith("jobsup: 3 jobs that waited in memory for Redis are lost: Redis does not answer")
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr


def test_a_forked_process_leaves_the_jobs_of_its_parent_to_its_parent(own_server: Server, client: Client) -> None:
    own_server.kill()
    client.push(job(1))
    own_server.start()

    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            client.push(job(2))
            code = client.waiting
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with own_server.client() as r:
        assert numbers(r) == [2]
        client.flush()
        assert numbers(r) == [2, 1]


def test_threads_lose_and_double_nothing_across_an_outage(own_server: Server, client: Client) -> None:
    total, threads = 50, 4

    def push(thread: int) -> None:
        for n in range(total):
            client.push({"class": "X", "args": [thread * total + n], "queue": f"q{thread}"})

    own_server.kill()
    running = [threading.Thread(target=push, args=(thread,)) for thread in range(threads)]
    for thread in running:
        thread.start()
    eventually(lambda: client.waiting > 20)
    own_server.start()
    for thread in running:
        thread.join()
    client.flush()

    with own_server.client() as r:
        for thread_number in range(threads):
            first = thread_number * total
            assert numbers(r, f"q{thread_number}") == list(range(first, first + total))


def test_no_thread_waits_for_the_timeout_of_another() -> None:
    entered, leave = threading.Event(), threading.Event()
    sent: list[Batch] = []

    def send(batch: Batch) -> None:
        if threading.current_thread() is slow:
            entered.set()
            leave.wait(10)
        if not sent and not leave.is_set():
            raise RedisUnavailable("away")
        sent.append(batch)

    one, two, three = (Batch({"q": [name]}, []) for name in (b"1", b"2", b"3"))
    backlog = Backlog(send)
    slow = threading.Thread(target=lambda: backlog.push(two))
    backlog.push(one)
    slow.start()
    assert entered.wait(10)

    backlog.push(three)

    assert len(backlog) == 2
    assert not leave.is_set()
    leave.set()
    slow.join()
    backlog.flush()
    assert sent == [one, three, two] or sent == [one, two, three]


def test_a_flush_stops_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = Backlog(_nobody)
    for _ in range(3):
        backlog.push(Batch({"q": [b"1"]}, []))
    monkeypatch.setattr(backlog, "_send", lambda batch: None)

    backlog.flush(seconds=0)

    assert len(backlog) == 3
    backlog.flush()


def _nobody(batch: Batch) -> None:
    raise RedisUnavailable("away")
