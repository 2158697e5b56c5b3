"""The ways to enqueue a job, the same for classes, functions and ``set``."""

from __future__ import annotations

import asyncio
import inspect
import math
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Generic, ParamSpec, TypeVar

from jobsup import client
from jobsup import payload as wire_format
from jobsup.client import BATCH, RELATIVE_BELOW
from jobsup.errors import ArgumentError
from jobsup.jobs.options import JobOptions, refuse_unknown
from jobsup.jobs.perform import perform
from jobsup.jobs.registry import JobDefinition

P = ParamSpec("P")
R = TypeVar("R")

_SETTABLE = ("queue", "retry", "dead", "backtrace", "max_interruptions", "retry_for", "retry_queue", "tags")


class Enqueuer(Generic[P, R]):
    """Enqueues one job with certain options.  Methods return the jid, or None when middleware cancelled.

    Those that begin with an *a* are for code in an event loop.
    """

    def __init__(
        self,
        definition: JobDefinition,
        signature: inspect.Signature,
        *,
        options: JobOptions | None = None,
        at: float | None = None,
    ) -> None:
        self.definition = definition
        self._signature = signature
        self._counts = _positional_counts(signature)
        self._options = options or definition.options
        self._at = at
        stated = self._options.to_payload()
        head = {"retry": stated.pop("retry"), "queue": stated.pop("queue"), "class": definition.name}
        self._stated = head | stated

    def perform_async(self, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Enqueue it now.

        Raises:
            ArgumentError: the job does not take these arguments, or JSON cannot hold one.
            RedisUnavailable: Redis does not answer.
            RedisRefused: Redis answers but does not take it.
        """
        return client.default().push(self.item(*args, **kwargs))

    def perform_in(self, seconds: float, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Run it *seconds* from now.  Raises as ``perform_async``."""
        return client.default().push(self._item(self._positional(args, kwargs), moment(seconds, time.time())))

    def perform_at(self, when: datetime | float, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Run it at *when*: an aware datetime, or Unix seconds.  Raises as ``perform_async``."""
        return client.default().push(self._item(self._positional(args, kwargs), moment(when, time.time())))

    def perform_bulk(
        self,
        arg_lists: Sequence[list[Any]],
        /,
        *,
        batch_size: int = BATCH,
        at: datetime | float | Sequence[datetime | float] | None = None,
    ) -> list[str | None]:
        """Enqueue one job for each list of arguments, *batch_size* at a time.

        *at* is one time for all of them, or one for each.  Nothing is pushed before all arguments are found
        right.  Raises as ``perform_async``.
        """
        self._check(arg_lists, 0, len(arg_lists))
        return client.default().push_bulk(self._item(list(arg_lists), self._times(at)), batch_size=batch_size)

    def item(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """The job as ``push_many`` takes it.

        Raises:
            ArgumentError: the job does not take these arguments.
        """
        return self._item(self._positional(args, kwargs), self._at)

    def perform_inline(self, *args: P.args, **kwargs: P.kwargs) -> R | None:
        """Run it here and now as a worker would: middleware, arguments through JSON.  Returns its result.

        An async job gets an event loop of its own.

        Raises:
            ArgumentError: as ``perform_async``; or the job is async and this is code in an event loop.
        """
        if self.definition.is_async and _in_event_loop():
            name = self.definition.name
            raise ArgumentError(f"{name} is async and cannot be waited for in an event loop; await aperform_inline()")
        payload = self._passed(args, kwargs)
        if payload is None:
            return None
        result = perform(self.definition, payload)
        done: R = asyncio.run(result) if self.definition.is_async else result
        return done

    # -- the same, awaited

    async def aperform_async(self, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """``perform_async``, awaited; what is wrong is found before Redis is asked."""
        return await client.default().apush(self.item(*args, **kwargs))

    async def aperform_in(self, seconds: float, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """``perform_in``, awaited."""
        return await client.default().apush(self._item(self._positional(args, kwargs), moment(seconds, time.time())))

    async def aperform_at(self, when: datetime | float, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """``perform_at``, awaited."""
        return await client.default().apush(self._item(self._positional(args, kwargs), moment(when, time.time())))

    async def aperform_bulk(
        self,
        arg_lists: Sequence[list[Any]],
        /,
        *,
        batch_size: int = BATCH,
        at: datetime | float | Sequence[datetime | float] | None = None,
    ) -> list[str | None]:
        """``perform_bulk``, awaited."""
        arg_lists = list(arg_lists)
        for start in range(0, len(arg_lists), BATCH):
            self._check(arg_lists, start, start + BATCH)
            await asyncio.sleep(0)
        return await client.default().apush_bulk(self._item(arg_lists, self._times(at)), batch_size=batch_size)

    async def aperform_inline(self, *args: P.args, **kwargs: P.kwargs) -> R | None:
        """``perform_inline``, awaited: an async job in this event loop, any other in a thread."""
        payload = self._passed(args, kwargs)
        if payload is None:
            return None
        if self.definition.is_async:
            done: R = await perform(self.definition, payload)
            return done
        return await asyncio.to_thread(perform, self.definition, payload)

    def set(self, *, at: datetime | float | None = None, wait: float | None = None, **options: Any) -> Enqueuer[P, R]:
        """The same job with other options for what is enqueued through the result.

        Args:
            at: run it then, as for ``perform_at``.
            wait: run it that many seconds from now.
            options: any of queue, retry, dead, backtrace, max_interruptions, retry_for, retry_queue, tags.

        Raises:
            UnknownOption: there is no such option, or it only counts where the job is declared.
            ArgumentError: an option has a value it cannot have.
        """
        name = self.definition.name
        for option in options:
            refuse_unknown(f"set() of {name}", option, (*_SETTABLE, "at", "wait"))
        if at is not None and wait is not None:
            raise ArgumentError(f"set() of {name}: give either at or wait")
        when = wait if at is None else at
        return Enqueuer(
            self.definition,
            self._signature,
            options=self._options.having(name, options),
            at=self._at if when is None else moment(when, time.time()),
        )

    def _passed(self, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """What a worker would be given; None when middleware cancelled the push."""
        payload = client.default().prepare(self._item(self._positional(args, kwargs), None))
        return None if payload is None else wire_format.loads(wire_format.dumps(payload))

    def _check(self, arg_lists: Sequence[list[Any]], start: int, stop: int) -> None:
        for index, args in enumerate(arg_lists[start:stop], start):
            if type(args) is not list:
                raise ArgumentError(f"the arguments of job {index} must be a list, not a {type(args).__name__}")
            self._positional(args, {})

    def _times(self, at: datetime | float | Sequence[datetime | float] | None) -> Any:
        now = time.time()
        if at is None:
            return self._at
        if isinstance(at, datetime | float | int):
            return moment(at, now)
        return [moment(when, now) for when in at]

    def _positional(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        """Arguments as a payload holds them: a list.  A call that the job does not take fails here, not there."""
        if not kwargs and len(args) in self._counts:
            return list(args)
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{self.definition.name}: {error}") from None
        if bound.kwargs:
            raise ArgumentError(
                f"{self.definition.name}: {', '.join(bound.kwargs)} can only be passed by keyword, "
                "and a payload holds a list; make it positional"
            )
        return list(bound.args)

    def _item(self, args: list[Any], at: Any) -> dict[str, Any]:
        item = self._stated | {"args": args, "at": at}
        if "tags" in item:
            item["tags"] = list(item["tags"])  # each job its own: middleware may add to them
        return item


@cache
def _positional_counts(signature: inspect.Signature) -> range:
    """How many arguments, all by position, a call may have: what ``bind`` finds out again for each call."""
    parameters = signature.parameters.values()
    if any(one.kind is one.KEYWORD_ONLY and one.default is one.empty for one in parameters):
        return range(0)
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        most = sys.maxsize - 1
    else:
        most = sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters)
    least = sum(
        one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) and one.default is one.empty for one in parameters
    )
    return range(least, most + 1)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def moment(when: datetime | float, now: float) -> float | None:
    """When to run, in Unix seconds; None for at once, which is also what a past time means.

    A number below 1,000,000,000 is seconds from *now*, as in Sidekiq.

    Raises:
        ArgumentError: *when* is a naive datetime, or no time at all.
    """
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ArgumentError(f"{when!r} has no time zone; use an aware datetime, such as datetime.now(UTC)")
        at = when.timestamp()
    elif isinstance(when, bool) or not isinstance(when, int | float) or not math.isfinite(when):
        raise ArgumentError(f"{when!r} is neither seconds nor an aware datetime")
    else:
        at = now + when if when < RELATIVE_BELOW else float(when)
    return at if at > now else None
