"""The awaitable twins of what a client does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis

from conftest import Server
from jobsup.client import Client, deferring
from jobsup.errors import ArgumentError, RedisUnavailable
from jobsup.middleware.chain import Chain, Next


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.url, middleware=Chain())


def numbers(r: redis.Redis) -> list[Any]:
    return [json.loads(raw)["args"][0] for raw in reversed(r.lrange("queue:default", 0, -1))]


def test_an_awaited_push_writes_the_same_bytes(client: Client, r: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobsup.client.time.time", lambda: 1_800_000_000.0)
    item = {"class": "X", "args": [1], "jid": "0" * 24, "queue": "low", "tags": ["a"]}

    assert asyncio.run(client.apush(item)) == client.push(item) == "0" * 24
    asyncio.run(client.apush(item | {"at": 1_900_000_000.5}))

    written = r.lrange("queue:low", 0, -1)
    assert written[0] == written[1]
    assert r.zrange("schedule", 0, -1, withscores=True)[0][1] == 1_900_000_000.5


def test_one_client_serves_any_number_of_loops_and_many_pushes_at_once(client: Client, r: redis.Redis) -> None:
    async def many() -> list[str | None]:
        return await asyncio.gather(*(client.apush({"class": "X", "args": [n]}) for n in range(100)))

    before = r.info("clients")["connected_clients"]
    assert len({*asyncio.run(many()), *asyncio.run(many())}) == 200
    assert r.llen("queue:default") == 200
    assert r.info("clients")["connected_clients"] <= before + 8


def test_a_bulk_goes_in_slices_keeps_its_order_and_lets_the_loop_go_on(client: Client, r: redis.Redis) -> None:
    turns = 0

    async def bulk() -> list[str | None]:
        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(turn())
        try:
            return await client.apush_bulk({"class": "X", "args": [[n] for n in range(1000)]}, batch_size=300)
        finally:
            other.cancel()

    jids = asyncio.run(bulk())

    assert numbers(r) == list(range(1000))
    assert [json.loads(raw)["jid"] for raw in reversed(r.lrange("queue:default", 0, -1))] == jids
    assert turns >= 10


def test_a_bulk_with_one_mistake_pushes_nothing(client: Client, r: redis.Redis) -> None:
    with pytest.raises(ArgumentError, match=r"args\[1\]"):
        asyncio.run(client.apush_bulk({"class": "X", "args": [[1], [object()]]}))

    assert r.dbsize() == 0


def test_the_loop_goes_on_while_redis_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", middleware=Chain())

        async def push_and_go_on() -> None:
            pushing = asyncio.create_task(client.apush({"class": "X", "args": []}))
            for _ in range(5):
                await asyncio.sleep(0.01)
            assert not pushing.done()
            pushing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pushing

        asyncio.run(push_and_go_on())


def test_who_does_not_answer_is_named_and_what_cannot_be_stored_is_found_before_anybody_is_asked() -> None:
    client = Client("redis://:secret@127.0.0.1:1/0", middleware=Chain())

    with pytest.raises(RedisUnavailable, match="REDIS_URL") as caught:
        asyncio.run(client.apush({"class": "X", "args": []}))
    assert "secret" not in str(caught.value)
    with pytest.raises(ArgumentError, match=r"args\[0\] is a tuple"):
        asyncio.run(client.apush({"class": "X", "args": [(1, 2)]}))


def test_a_push_whose_connection_was_lost_is_sent_once_more(client: Client, r: redis.Redis) -> None:
    async def push_across_a_loss() -> None:
        await client.apush({"class": "X", "args": [1]})
        r.client_kill_filter(_type="normal", skipme=True)
        await client.apush({"class": "X", "args": [2]})

    asyncio.run(push_across_a_loss())

    assert numbers(r) == [1, 2]


def test_jobs_wait_in_memory_while_redis_is_away_and_go_first_when_it_is_back(own_server: Server) -> None:
    client = Client(own_server.url, middleware=Chain(), reliable_push=True)
    own_server.kill()

    async def push(*these: int) -> None:
        for n in these:
            await client.apush({"class": "X", "args": [n]})

    asyncio.run(push(1, 2))
    assert client.waiting == 2
    own_server.start()
    asyncio.run(client.aflush())
    asyncio.run(push(3))

    with own_server.client() as r:
        assert numbers(r) == [1, 2, 3]


def test_middleware_sees_the_task_that_pushes_and_may_cancel(server: Server, r: redis.Redis) -> None:
    threads: list[int] = []

    def odd_only(payload: dict[str, Any], call_next: Next) -> Any:
        threads.append(threading.get_ident())
        return call_next() if payload["args"][0] % 2 else None

    client = Client(server.url, middleware=Chain([odd_only]))

    assert asyncio.run(client.apush({"class": "X", "args": [2]})) is None
    assert asyncio.run(client.apush({"class": "X", "args": [3]}))
    assert numbers(r) == [3]
    assert set(threads) == {threading.get_ident()}


def test_a_push_that_is_deferred_is_sent_when_its_time_has_come(client: Client, r: redis.Redis) -> None:
    later: list[Callable[[], None]] = []

    async def push() -> str | None:
        with deferring(later.append):
            return await client.apush({"class": "X", "args": [1]})

    assert asyncio.run(push())
    assert r.dbsize() == 0
    for send in later:
        send()
    assert numbers(r) == [1]


def test_a_forked_process_pushes_with_threads_of_its_own(client: Client, r: redis.Redis) -> None:
    asyncio.run(client.apush({"class": "X", "args": [1]}))
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            asyncio.run(asyncio.wait_for(client.apush({"class": "X", "args": [2]}), 5))
            code = 0
        finally:
            os._exit(code)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert numbers(r) == [1, 2]


def test_an_iterable_job_is_cancelled_from_a_loop(client: Client, r: redis.Redis) -> None:
    assert asyncio.run(client.acancel("jid")) == client.cancel("jid")
