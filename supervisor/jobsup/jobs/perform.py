"""Running one job inside the server middleware: in this thread, or awaited in its event loop."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from functools import partial
from types import CoroutineType
from typing import Any

from jobsup.errors import ArgumentError
from jobsup.jobs.registry import JobDefinition
from jobsup.middleware import chain
from jobsup.middleware.chain import Next


def perform(definition: JobDefinition, payload: dict[str, Any]) -> Any:
    """Run *definition* with *payload* inside the server middleware; returns and raises what the job does.

    If the job is async, nothing has run yet: what is returned is to be awaited.

    Raises:
        ArgumentError: an ``async def`` was to run where nobody awaits it.
    """
    if definition.is_async:
        return _awaited(definition, payload)
    if chain.server:
        result = chain.compose(chain.server, (definition, payload), lambda: definition.run(payload))()
    else:
        result = definition.run(payload)
    if type(result) is CoroutineType:
        result.close()
        raise ArgumentError(
            f"the job {definition.name} is a plain def, so nobody awaits {result.__qualname__}, which is async; "
            "make the job an async def, or its middleware a plain def"
        )
    return result


async def _awaited(definition: JobDefinition, payload: dict[str, Any]) -> Any:
    steps: list[Coroutine[Any, Any, Any]] = []

    def go_on(call: Next) -> Any:
        steps.append(_result(call))
        return steps[-1]

    call: Next = partial(definition.run, payload)
    for middleware in reversed(tuple(chain.server)):
        call = partial(middleware, definition, payload, partial(go_on, call))
    try:
        result = await _result(call)
    finally:
        dropped = [step for step in steps if inspect.getcoroutinestate(step) == inspect.CORO_CREATED]
        for step in dropped:
            step.close()
    if dropped:
        raise ArgumentError(
            f"middleware did not await what call_next() returned, so the async job {definition.name} did not run; "
            "make it an async def, or have it return that"
        )
    return result


async def _result(call: Next) -> Any:
    """What *call* leads to: a plain def that passes on an awaitable counts as the ``async def`` it wraps."""
    result = call()
    return await result if inspect.isawaitable(result) else result
