from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from conftest import Server
from jobsup import client as client_module
from jobsup.client import Client
from jobsup.errors import ArgumentError, RedisRefused, RedisUnavailable
from jobsup.middleware.chain import Chain, Next


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.url, middleware=Chain())


@pytest.fixture(autouse=True)
def _no_default(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(client_module, "_default", None)
    return


def first(r: redis.Redis, queue: str = "default") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(r.lindex(f"queue:{queue}", -1))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(("version", "wire"), [("8.1.7", 8), ("6.4.1", 6)])
@pytest.mark.parametrize("name", ["types", "options", "tags"])
def test_the_bytes_are_those_of_sidekiq(server: Server, r: redis.Redis, version: str, wire: int, name: str) -> None:
    golden = json.loads(Path(__file__).parents[1].joinpath(f"golden/payloads-{version}.json").read_text())[name]
    item = json.loads(golden)
    stamps = {key: item.pop(key) for key in ("created_at", "enqueued_at")}

    Client(server.url, wire=wire, middleware=Chain()).push(item)

    raw = r.lindex(f"queue:{item['queue']}", 0)
    assert isinstance(raw, bytes)
    pushed = json.loads(raw)
    assert type(pushed["created_at"]) is type(pushed["enqueued_at"]) is type(stamps["created_at"])
    text = raw.decode()
    for key, value in stamps.items():
        text = text.replace(f'"{key}":{json.dumps(pushed[key])}', f'"{key}":{json.dumps(value)}')
    assert text == golden


def test_a_pushed_job_is_found_by_the_jid_that_was_returned(client: Client, r: redis.Redis) -> None:
    jid = client.push({"class": "X", "args": [1]})

    assert first(r)["jid"] == jid
    assert r.smembers("queues") == {b"default"}


def test_a_scheduled_job_has_neither_at_nor_enqueued_at(client: Client, r: redis.Redis) -> None:
    at = time.time() + 60.5

    client.push({"class": "X", "args": [], "at": at})

    [(raw, score)] = r.zrange("schedule", 0, -1, withscores=True)
    assert score == at
    assert set(json.loads(raw)) == {"retry", "queue", "class", "args", "jid", "created_at"}
    assert r.exists("queue:default", "queues") == 0


def test_middleware_may_change_a_job_and_sees_the_one_before(server: Server, r: redis.Redis) -> None:
    def locale(payload: dict[str, Any], call_next: Next) -> Any:
        payload["locale"] = "fr"
        return call_next()

    Client(server.url, middleware=Chain([locale])).push({"class": "X", "args": []})

    assert first(r)["locale"] == "fr"


def test_middleware_may_cancel_a_push(server: Server, r: redis.Redis) -> None:
    def odd(payload: dict[str, Any], call_next: Next) -> Any:
        return call_next() if payload["args"][0] % 2 else None

    client = Client(server.url, middleware=Chain([odd]))

    jids = client.push_bulk({"class": "X", "args": [[1], [2], [3]]})

    assert jids[0]
    assert jids[1] is None
    assert r.llen("queue:default") == 2
    assert client.push({"class": "X", "args": [2]}) is None


def test_what_middleware_spoils_is_refused(server: Server) -> None:
    def spoil(payload: dict[str, Any], call_next: Next) -> Any:
        payload["tenant"] = {"id": (1,)}
        return call_next()

    with pytest.raises(ArgumentError, match=r'tenant\["id"\] is a tuple'):
        Client(server.url, middleware=Chain([spoil])).push({"class": "X", "args": []})


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ("X", "a dict with at least 'class' and 'args'"),
        ({"class": "X"}, "a dict with at least"),
        ({"args": []}, "a dict with at least"),
        ({"class": "X", "args": "a"}, "args must be a list"),
        ({"class": "X", "args": (1,)}, "args must be a list"),
        ({"class": 7, "args": []}, "class must be the name"),
        ({"class": "", "args": []}, "class must be the name"),
        ({"class": "X", "args": [], "at": "soon"}, "at must be Unix seconds"),
        ({"class": "X", "args": [], "at": float("nan")}, "at must be Unix seconds"),
        ({"class": "X", "args": [], "tags": "a"}, "tags must be a list"),
        ({"class": "X", "args": [], "retry_for": 1_800_000_000}, "retry_for must be seconds"),
        ({"class": "X", "args": [], "queue": ""}, "queue must be a name"),
        ({"class": "X", "args": [], "queue": None}, "queue must be a name"),
        ({"class": "X", "args": [], "jid": 7}, "jid must be a name"),
        ({"class": "X", "args": [], 7: 7}, "keys must be str"),
        ({"class": "X", "args": [{1, 2}]}, r"args\[0\] is a set"),
    ],
)
def test_what_sidekiq_refuses_is_refused(client: Client, r: redis.Redis, item: Any, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        client.push(item)

    assert r.dbsize() == 0


def test_a_bulk_goes_in_slices_and_keeps_its_order(client: Client, r: redis.Redis) -> None:
    jids = client.push_bulk({"class": "X", "args": [[n] for n in range(5)]}, batch_size=2)

    jobs = [json.loads(raw) for raw in reversed(r.lrange("queue:default", 0, -1))]
    assert [job["args"] for job in jobs] == [[0], [1], [2], [3], [4]]
    assert [job["jid"] for job in jobs] == jids
    assert client.push_bulk({"class": "X", "args": []}) == []


@pytest.mark.parametrize("shared", [{}, {"queue": "low", "retry": 3, "tags": ["é"], "at": 2e9}])
def test_a_bulk_writes_what_as_many_pushes_would(client: Client, r: redis.Redis, shared: dict[str, Any]) -> None:
    arg_lists = [[], [1, "é"], [{"a": [2.5, None]}]]
    client.push_bulk({"class": "X", "args": arg_lists} | shared)
    for args in arg_lists:
        client.push({"class": "X", "args": args} | shared)

    written = r.zrange("schedule", 0, -1) if shared else r.lrange("queue:default", 0, -1)
    varying = {"jid": "", "created_at": 0, "enqueued_at": 0}
    jobs = [json.loads(raw) for raw in written]
    alike = Counter(json.dumps(job | {key: value for key, value in varying.items() if key in job}) for job in jobs)
    assert len({job["jid"] for job in jobs}) == 6
    assert set(alike.values()) == {2}


def test_each_job_of_a_bulk_may_have_its_time(client: Client, r: redis.Redis) -> None:
    later = time.time() + 60

    client.push_bulk({"class": "X", "args": [[1], [2]], "at": [later, None]})

    assert r.zscore("schedule", r.zrange("schedule", 0, 0)[0]) == later
    assert first(r)["args"] == [2]


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"args": [[1], 2]}, "one list of arguments for each"),
        ({"args": [[1], [2]], "at": [1]}, "1 times for 2 jobs"),
        ({"args": [[1], [2]], "jid": "a"}, "one job only"),
        ({"args": [[1], [2, (3,)]]}, r"args\[1\]\[1\] is a tuple"),
    ],
)
def test_a_bulk_with_one_mistake_pushes_nothing(client: Client, r: redis.Redis, item: Any, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        client.push_bulk({"class": "X"} | item)

    assert r.dbsize() == 0


def test_a_client_connects_only_when_it_pushes_and_says_who_does_not_answer() -> None:
    client = Client("redis://:secret@127.0.0.1:1/0", middleware=Chain())

    with pytest.raises(RedisUnavailable, match="REDIS_URL") as caught:
        client.push({"class": "X", "args": []})

    assert "secret" not in str(caught.value)


def test_a_push_whose_reply_is_lost_is_sent_once_more_under_the_same_jid(server: Server, r: redis.Redis) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def lose_a_reply() -> None:
            ours, _ = listener.accept()
            with ours, socket.create_connection(("127.0.0.1", server.port)) as theirs:
                for _ in range(4):  # what a connection begins with, then the push
                    theirs.sendall(request := ours.recv(65_536))
                    reply = theirs.recv(65_536)
                    if b"LPUSH" in request:
                        break
                    ours.sendall(reply)
            forward(listener, server.port)

        proxy = threading.Thread(target=lose_a_reply, daemon=True)
        proxy.start()

        jid = Client(f"redis://127.0.0.1:{port}/0", middleware=Chain()).push({"class": "X", "args": []})

    assert [json.loads(raw)["jid"] for raw in r.lrange("queue:default", 0, -1)] == [jid, jid]


def forward(listener: socket.socket, port: int) -> None:
    """Pass one connection through, request by request."""
    ours, _ = listener.accept()
    with ours, socket.create_connection(("127.0.0.1", port)) as theirs:
        while request := ours.recv(65_536):
            theirs.sendall(request)
            ours.sendall(theirs.recv(65_536))


def test_a_url_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(RedisRefused, match="must be a URL like redis://"):
        Client("http://localhost")


def test_the_generation_comes_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSUP_WIRE", "7")

    assert Client().wire == 7
    assert Client(wire=6).wire == 6
    monkeypatch.setenv("JOBSUP_WIRE", "nine")
    with pytest.raises(ArgumentError, match="JOBSUP_WIRE"):
        Client()


def test_the_default_client_is_made_once_and_can_be_chosen(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", server.url)

    assert client_module.default() is client_module.default()
    chosen = client_module.configure(server.url, wire=6)
    assert client_module.default() is chosen


def test_threads_share_a_client(client: Client, r: redis.Redis) -> None:
    def push() -> None:
        for n in range(50):
            client.push({"class": "X", "args": [n]})

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert r.llen("queue:default") == 200


def test_a_forked_process_has_connections_of_its_own(client: Client, r: redis.Redis) -> None:
    client.push({"class": "X", "args": ["before"]})
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for _ in range(20):
                client.push({"class": "X", "args": ["child"]})
            code = 0
        finally:
            os._exit(code)
    for _ in range(20):
        client.push({"class": "X", "args": ["parent"]})

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert r.llen("queue:default") == 41
