from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from conftest import Server
from jobsup import Job, apush_many, client, job, push_many
from jobsup.errors import ArgumentError, UnknownOption
from jobsup.jobs import registry
from jobsup.jobs.enqueuer import moment
from jobsup.jobs.registry import Registry
from jobsup.middleware import chain
from jobsup.middleware.chain import Chain


@pytest.fixture(autouse=True)
def _surroundings(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "default", Registry())
    monkeypatch.setattr(chain, "client", Chain())
    monkeypatch.setattr(chain, "server", Chain())
    monkeypatch.setattr(client, "_default", client.Client(server.url))
    return


def payment() -> type[Job]:
    class Payment(Job, queue="critical", retry=3, tags=["a", "b"]):
        def perform(self, order: Any, note: str = "") -> tuple[str, Any, str]:
            return (self.jid, order, note)

    return Payment


def in_queue(r: redis.Redis, queue: str) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in reversed(r.lrange(f"queue:{queue}", 0, -1))]


def scheduled(r: redis.Redis) -> list[float]:
    return [score for _, score in r.zrange("schedule", 0, -1, withscores=True)]


def test_a_job_is_enqueued_with_its_options_in_the_order_sidekiq_writes(r: redis.Redis) -> None:
    jid = payment().perform_async(42)

    [found] = in_queue(r, "critical")
    assert list(found) == ["retry", "queue", "class", "tags", "args", "jid", "created_at", "enqueued_at"]
    assert (found["retry"], found["class"], found["args"], found["jid"]) == (3, "Payment", [42], jid)


def test_only_the_limits_that_others_need_to_know_travel_with_the_job(r: redis.Redis) -> None:
    @job(time_limit=60, max_interruptions=3)
    def long() -> None: ...

    long.perform_async()
    long.set(max_interruptions=0).perform_async()

    assert [pushed.get("max_interruptions") for pushed in in_queue(r, "default")] == [3, 0]
    assert not any("time_limit" in pushed for pushed in in_queue(r, "default"))


def test_a_function_takes_keywords_and_stores_them_by_position(r: redis.Redis) -> None:
    @job(queue="heavy")
    def resize(image: int, width: int = 10) -> int:
        return image * width

    resize.perform_async(1, width=5)

    assert in_queue(r, "heavy")[0]["args"] == [1, 5]


@pytest.mark.parametrize(("args", "sentence"), [((), "missing a required argument"), ((1, 2, 3), "too many")])
def test_a_call_that_the_job_does_not_take_fails_where_it_is_made(args: tuple[Any, ...], sentence: str) -> None:
    for enqueue in (payment().perform_async, lambda *a: payment().perform_bulk([list(a)])):
        with pytest.raises(ArgumentError, match=f"Payment: {sentence}"):
            enqueue(*args)


def test_keyword_only_parameters_cannot_be_stored() -> None:
    @job
    def strict(*, width: int) -> None: ...

    with pytest.raises(ArgumentError, match="width can only be passed by keyword"):
        strict.perform_async(width=1)


def test_in_and_at_schedule(r: redis.Redis) -> None:
    now = time.time()

    payment().perform_in(60, 1)
    payment().perform_at(now + 120, 2)
    payment().perform_at(datetime.now(UTC) + timedelta(seconds=180), 3)

    assert [round((score - now) / 60) for score in scheduled(r)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (60, 1_800_000_060.0),
        (999_999_999, 2_799_999_999.0),
        (1_800_000_001, 1_800_000_001.0),
        (1_800_000_000, None),
        (1_000_000_000, None),
        (0, None),
        (-5, None),
        (datetime(2000, 1, 1, tzinfo=UTC), None),
        (datetime(2030, 1, 1, tzinfo=UTC), 1_893_456_000.0),
    ],
)
def test_small_numbers_are_durations_and_the_past_means_now(when: Any, expected: float | None) -> None:
    assert moment(when, now=1_800_000_000.0) == expected


@pytest.mark.parametrize("when", [datetime(2030, 1, 1), "60", True, float("nan"), None])
def test_what_is_no_time_is_refused(when: Any) -> None:
    with pytest.raises(ArgumentError, match=r"time zone|neither seconds"):
        moment(when, now=0.0)


def test_set_changes_options_for_one_push_only(r: redis.Redis) -> None:
    payment().set(queue="low", retry=False, tags=[]).perform_async(1)
    payment().set(wait=60).set(queue="low").perform_async(2)
    payment().perform_async(3)

    [low] = in_queue(r, "low")
    assert low["retry"] is False
    assert "tags" not in low
    assert len(scheduled(r)) == 1
    assert len(in_queue(r, "critical")) == 1


def test_set_knows_its_options() -> None:
    with pytest.raises(UnknownOption, match="did you mean 'queue'"):
        payment().set(queu="x")
    with pytest.raises(UnknownOption, match="no option 'timeout'"):
        payment().set(timeout=5)
    with pytest.raises(ArgumentError, match="either at or wait"):
        payment().set(at=5, wait=5)
    with pytest.raises(ArgumentError, match="option retry"):
        payment().set(retry="x")


def test_a_bulk_is_one_job_for_each_list(r: redis.Redis) -> None:
    jids = payment().perform_bulk([[1], [2, "x"]])

    assert [found["args"] for found in in_queue(r, "critical")] == [[1], [2, "x"]]
    assert [found["jid"] for found in in_queue(r, "critical")] == jids


def test_a_bulk_may_be_scheduled_together_or_one_by_one(r: redis.Redis) -> None:
    payment().perform_bulk([[1], [2]], at=60)
    payment().perform_bulk([[3], [4]], at=[120, 0])

    assert len(scheduled(r)) == 3
    assert [found["args"] for found in in_queue(r, "critical")] == [[4]]


def test_inline_runs_inside_both_chains_with_arguments_through_json(r: redis.Redis) -> None:
    seen: list[str] = []

    def around_push(payload: dict[str, Any], call_next: chain.Next) -> Any:
        seen.append("push")
        return call_next()

    def around_job(definition: Any, payload: dict[str, Any], call_next: chain.Next) -> Any:
        seen.append(definition.name)
        return call_next()

    chain.server.add(around_job)
    client.default().middleware.add(around_push)
    order = {"lines": [1]}

    jid, got, _ = payment().perform_inline(order)

    assert got == order
    assert got is not order
    assert len(jid) == 24
    assert seen == ["push", "Payment"]
    assert r.dbsize() == 0


def test_inline_refuses_what_a_push_would_refuse() -> None:
    with pytest.raises(ArgumentError, match=r"args\[0\] is a tuple"):
        payment().perform_inline((1, 2))


def test_the_awaited_ways_to_enqueue_do_what_the_others_do(r: redis.Redis) -> None:
    @job(queue="heavy")
    async def visit(url: str, times: int = 1) -> None: ...

    async def enqueue() -> None:
        assert await payment().aperform_async(1)
        assert await payment().aperform_bulk([[2], [3]])
        assert await payment().set(queue="low").aperform_async(4)
        await payment().aperform_in(60, 5)
        await payment().aperform_at(time.time() + 120, 6)
        assert await visit.aperform_async("x", times=2)
        with pytest.raises(ArgumentError, match="too many"):
            await visit.aperform_async("x", 2, 3)  # type: ignore[call-arg]
        with pytest.raises(ArgumentError, match="arguments of job 1 must be a list"):
            await payment().aperform_bulk([[1], (2,)])  # type: ignore[list-item]

    now = time.time()
    asyncio.run(enqueue())

    assert [found["args"] for found in in_queue(r, "critical")] == [[1], [2], [3]]
    assert [found["args"] for found in in_queue(r, "low")] == [[4]]
    assert [found["args"] for found in in_queue(r, "heavy")] == [["x", 2]]
    assert [round((score - now) / 60) for score in scheduled(r)] == [1, 2]


def test_an_async_job_runs_inline_in_a_loop_of_its_own_and_in_a_loop_is_awaited() -> None:
    @job
    async def double(n: int) -> int:
        await asyncio.sleep(0)
        return 2 * n

    assert double.perform_inline(2) == 4

    async def inside() -> None:
        assert await double(3) == 6
        assert await double.aperform_inline(4) == 8
        with pytest.raises(ArgumentError, match="double is async and cannot be waited for in an event loop"):
            double.perform_inline(5)

    asyncio.run(inside())


def test_a_plain_job_is_awaited_inline_in_a_thread_so_that_the_loop_goes_on() -> None:
    @job
    def where() -> int:
        return threading.get_ident()

    assert where.perform_inline() == threading.get_ident()
    assert asyncio.run(where.aperform_inline()) != threading.get_ident()


def test_jobs_of_several_classes_go_in_one_round_trip(r: redis.Redis) -> None:
    refund = job(name="Refund")(lambda n: None)
    payment().perform_async(0)  # connects
    before = r.info("stats")["total_reads_processed"]

    jids = push_many([payment().item(1), refund.set(queue="low").item(2), refund.set(wait=60).item(3)])

    assert r.info("stats")["total_reads_processed"] - before <= 2  # the second is that of this question
    assert len(set(jids)) == 3
    assert json.loads(r.lindex("queue:low", 0))["class"] == "Refund"  # type: ignore[arg-type]
    assert r.zcard("schedule") == 1


def test_an_item_with_a_mistake_is_named_and_nothing_is_pushed(r: redis.Redis) -> None:
    with pytest.raises(ArgumentError, match=r"items\[1\]: args\[0\] is a set"):
        push_many([payment().item(1), payment().item({1})])

    assert r.dbsize() == 0


def test_from_an_event_loop_several_classes_are_pushed_alike(r: redis.Redis) -> None:
    refund = job(name="Refund")(lambda n: None)

    jids = asyncio.run(apush_many([payment().item(1), refund.item(2)]))

    assert [in_queue(r, "critical")[0]["jid"], in_queue(r, "default")[0]["jid"]] == jids


def test_a_tag_that_middleware_adds_to_one_job_is_none_of_the_next(r: redis.Redis) -> None:
    chain.client.add(lambda payload, call_next: (payload["tags"].append(payload["args"][0]), call_next())[1])

    for number in (1, 2):
        payment().perform_async(number)

    assert [found["tags"] for found in in_queue(r, "critical")] == [["a", "b", 1], ["a", "b", 2]]
