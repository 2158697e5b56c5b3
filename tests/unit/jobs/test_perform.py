"""Jobs inside the server middleware, which may be async like them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from jobsup.errors import ArgumentError
from jobsup.jobs.options import JobOptions
from jobsup.jobs.perform import perform
from jobsup.jobs.registry import JobDefinition
from jobsup.middleware import chain
from jobsup.middleware.chain import Chain, Next


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(chain, "server", Chain())
    return []


def run(function: Callable[..., Any]) -> Any:
    is_async = inspect.iscoroutinefunction(function)
    result = perform(JobDefinition("K", JobOptions(), lambda _payload: function(), is_async=is_async), {})
    return asyncio.run(result) if is_async else result


async def seven() -> int:
    await asyncio.sleep(0)
    return 7


def test_async_middleware_wraps_an_async_job_and_awaits_it(seen: list[str]) -> None:
    @chain.server.add
    async def around(definition: Any, payload: dict[str, Any], call_next: Next) -> Any:
        seen.append("in")
        result = await call_next()
        seen.append("out")
        return result

    async def job() -> int:
        seen.append("job")
        return 7

    assert run(job) == 7
    assert seen == ["in", "job", "out"]


def test_a_plain_middleware_passes_on_what_is_to_be_awaited_whatever_lies_inside_of_it(seen: list[str]) -> None:
    @chain.server.add
    async def outer(definition: Any, payload: dict[str, Any], call_next: Next) -> Any:
        return await call_next() + 1

    @chain.server.add
    def plain(definition: Any, payload: dict[str, Any], call_next: Next) -> Any:
        seen.append(f"{definition.name} {definition.is_async}")
        return call_next()

    @chain.server.add
    async def inner(definition: Any, payload: dict[str, Any], call_next: Next) -> Any:
        return await call_next() * 10

    assert run(seven) == 71
    assert seen == ["K True"]


def test_a_middleware_of_either_kind_may_skip_an_async_job(seen: list[str]) -> None:
    async def job() -> None:
        seen.append("job")

    @chain.server.add
    async def outer(definition: Any, payload: dict[str, Any], call_next: Next) -> Any:
        return await call_next()

    @chain.server.add
    def skips(definition: Any, payload: dict[str, Any], call_next: Next) -> Any:
        return "skipped"

    assert run(job) == "skipped"
    assert seen == []


def test_a_middleware_that_drops_the_job_it_was_to_await_fails_it(seen: list[str]) -> None:
    @chain.server.add
    def drops(definition: Any, payload: dict[str, Any], call_next: Next) -> Any:
        call_next()

    with pytest.raises(ArgumentError, match="did not await what call_next"):
        run(seven)


def test_what_nobody_would_await_fails_instead_of_counting_as_done(seen: list[str]) -> None:
    with pytest.raises(ArgumentError, match="nobody awaits seven"):
        run(lambda: seven())

    @chain.server.add
    async def around(definition: Any, payload: dict[str, Any], call_next: Next) -> Any:
        return await call_next()

    with pytest.raises(ArgumentError, match=r"nobody awaits .*around"):
        run(lambda: 7)
