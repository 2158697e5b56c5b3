"""Pushing jobs.  A web process needs this module and no more of a worker."""

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any, ParamSpec, TypeAlias, TypeVar

from jobsup import payload as wire_format
from jobsup.config import redis_url
from jobsup.errors import ArgumentError, RedisUnavailable
from jobsup.middleware import chain
from jobsup.middleware.chain import Chain, ClientMiddleware
from jobsup.reliable import Backlog, Batch
from jobsup.store import iteration, queues, scripts
from jobsup.store.connection import connect

RELATIVE_BELOW = 1_000_000_000
"""Seconds: a smaller number is a duration, a larger one a point in time.  Sidekiq's rule."""

BATCH = 1_000
"""Jobs that ``push_bulk`` sends at once."""
_SENDERS = 8
"""Threads that speak to Redis for those who await it, at most."""
_BREATH = 100
"""Jobs that ``apush_bulk`` prepares, in a millisecond or two, before it lets the event loop do other things."""

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Defer: TypeAlias = Callable[[Callable[[], None]], None]
"""Takes what sends a push, and calls it when its time has come, or never."""

_deferring: ContextVar[Defer | None] = ContextVar("jobsup.client.deferring", default=None)


@contextlib.contextmanager
def deferring(defer: Defer) -> Iterator[None]:
    """Within this block, and only in this thread or task, a push is checked at once and sent when *defer* says.

    The jid is known at once.  ``jobsup.contrib`` has blocks that wait for a database transaction.
    """
    token = _deferring.set(defer)
    try:
        yield
    finally:
        _deferring.reset(token)


class Client:
    """Pushes jobs to one Redis, from any thread; a forked process gets connections of its own.

    1. prepare    check an item, run the client middleware, return the payload
    2. push       one job
    3. push_bulk  many jobs of one class
    4. flush      try again to send what ``reliable_push`` keeps
    5. cancel     end an iterable job

    ``apush``, ``apush_bulk``, ``aflush`` and ``acancel`` are the same for code in an event loop, whichever it is.
    The item is checked and goes through the client middleware, plain functions all the same, at once; only Redis is
    awaited.  If the task that awaits it is cancelled meanwhile, the job may be pushed or not.

    It connects with the first push.  A push whose connection is lost is sent once more, so a job may be there
    twice, under the same jid: at least once, as everything here.

    Args:
        url: None for ``$REDIS_PROVIDER``, ``$REDIS_URL`` or this host's Redis.
        wire: the generation of Sidekiq to write for, 6, 7 or 8; None for ``$JOBSUP_WIRE``, else 8.
        middleware: None for the chain that ``jobsup.middleware.chain.client`` is.
        reliable_push: keep up to 1,000 jobs in memory while Redis does not answer, instead of raising; they are
            sent, in order and before anything new, with the next push that finds it there, and tried once more
            when the process ends.  A process that is killed loses them.

    Raises:
        RedisRefused: the URL cannot be understood.
        ArgumentError: there is no such generation.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        wire: int | None = None,
        middleware: Chain[ClientMiddleware] | None = None,
        reliable_push: bool = False,
    ) -> None:
        self._url = redis_url.resolve(url)
        self._redis = connect(self._url)
        self._pusher = queues.Pusher(self._redis)
        self.wire = _wire(wire)
        self.middleware = chain.client if middleware is None else middleware
        self._backlog = Backlog(self._write) if reliable_push else None
        self._senders: ThreadPoolExecutor | None = None
        self._senders_of = 0

    @property
    def waiting(self) -> int:
        """Jobs that ``reliable_push`` keeps in memory now."""
        return len(self._backlog) if self._backlog is not None else 0

    def flush(self) -> None:
        """Send what waits in memory, as far as Redis takes it within about ten seconds.

        Raises:
            RedisUnavailable, RedisRefused: why not all of it; what was not sent goes on waiting.
        """
        if self._backlog is not None:
            self._backlog.flush()

    def push(self, item: dict[str, Any]) -> str | None:
        """Push one job and return its jid, or None when middleware cancelled it.

        Args:
            item: at least ``class`` (the job's name) and ``args`` (a list).  ``at`` (Unix seconds) schedules it;
                any other key goes into the payload as it is.

        Raises:
            ArgumentError: *item* cannot be stored; the message names where.
            RedisUnavailable: Redis does not answer.  If the reply was lost, the job may have been pushed.  With
                ``reliable_push``: nor is there room to keep it.
            RedisRefused: Redis answers but does not take it.
        """
        return self._send([self.prepare(item)])[0]

    def push_bulk(self, item: dict[str, Any], *, batch_size: int = BATCH) -> list[str | None]:
        """Push one job for each list of arguments in ``item["args"]``, *batch_size* at a time.

        Every job has its own jid and its own run through the middleware.  ``at`` may be a list, one for each.
        Nothing is pushed before all are found right.  Returns and raises as ``push``, a jid or None for each.
        """
        prepared = list(self._each_prepared(item, batch_size))
        return [jid for some in _slices(prepared, batch_size) for jid in self._send(some)]

    def push_many(self, items: Iterable[dict[str, Any]]) -> list[str | None]:
        """Push jobs of any classes and queues, now or for later, a thousand in one round trip.

        *items* are as for ``push``; ``Job.item`` makes them.  Nothing is pushed before all are found right.
        Returns and raises as ``push``, a jid or None for each; a message names the item by its number.
        """
        prepared = [self._numbered(index, item) for index, item in enumerate(items)]
        return [jid for some in _slices(prepared, BATCH) for jid in self._send(some)]

    async def apush(self, item: dict[str, Any]) -> str | None:
        """``push``, awaited."""
        return (await self._asend([self.prepare(item)]))[0]

    async def apush_bulk(self, item: dict[str, Any], *, batch_size: int = BATCH) -> list[str | None]:
        """``push_bulk``, awaited."""
        prepared: list[dict[str, Any] | None] = []
        for payload in self._each_prepared(item, batch_size):
            prepared.append(payload)
            if len(prepared) % _BREATH == 0:
                await asyncio.sleep(0)
        return [jid for some in _slices(prepared, batch_size) for jid in await self._asend(some)]

    async def apush_many(self, items: Iterable[dict[str, Any]]) -> list[str | None]:
        """``push_many``, awaited."""
        prepared: list[dict[str, Any] | None] = []
        for index, item in enumerate(items):
            prepared.append(self._numbered(index, item))
            if len(prepared) % _BREATH == 0:
                await asyncio.sleep(0)
        return [jid for some in _slices(prepared, BATCH) for jid in await self._asend(some)]

    async def aflush(self) -> None:
        """``flush``, awaited."""
        await self._aside(self.flush)

    async def acancel(self, jid: str) -> float:
        """``cancel``, awaited."""
        return await self._aside(self.cancel, jid)

    def cancel(self, jid: str) -> float:
        """End the iterable job *jid* before its next item, whether it runs, waits, is scheduled or to be retried.

        A job that runs heeds it within five seconds; one that does not, when it would begin.  An ordinary job does
        not look.  Forgotten after 30 days.  Returns when this was first asked for, in Unix seconds.

        Raises:
            ArgumentError: *jid* is no job id.
            RedisUnavailable: Redis does not answer.
            RedisRefused: Redis answers but does not take it.
        """
        if not isinstance(jid, str) or not jid:
            raise ArgumentError(f"a job id is text, not {jid!r}")
        return iteration.cancel(scripts.runner(self._redis), jid, time.time())

    def prepare(self, item: dict[str, Any], *, where: str = "args") -> dict[str, Any] | None:
        """The payload of *item* after the client middleware, checked; None when it was cancelled.

        Raises:
            ArgumentError: *item*, or what middleware made of it, cannot be stored.
        """
        _validate(item)
        payload = wire_format.build(
            {key: value for key, value in item.items() if key != "at" or value is not None},
            now=time.time(),
            wire=self.wire,
        )
        if self.middleware:
            passed: dict[str, Any] | None = chain.compose(self.middleware, (payload,), lambda: payload)()
            if not passed:
                return None
            payload = passed
            _validate(payload)
        # After the middleware, as in Sidekiq: it may add to the payload, or turn arguments into what JSON has.
        if not wire_format.is_plain(payload):
            for key, value in payload.items():
                wire_format.check_args(value, where if key == "args" else key)
        return payload

    def _numbered(self, index: int, item: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return self.prepare(item)
        except ArgumentError as error:
            raise ArgumentError(f"items[{index}]: {error}") from None

    def _each_prepared(self, item: dict[str, Any], batch_size: int) -> Iterator[dict[str, Any] | None]:
        """``prepare`` for each job of a bulk."""
        arg_lists, at = _bulk(item, batch_size)
        if self.middleware or isinstance(at, list):
            for index, args in enumerate(arg_lists):
                one = item | {"args": args, "at": at[index] if isinstance(at, list) else at}
                yield self.prepare(one, where=f"args[{index}]")
            return
        # No middleware sees the single jobs, so what they share is looked at once.
        shared = self.prepare(item | {"args": []}) or {}
        jids = [item["jid"]] if "jid" in item else wire_format.new_jids(len(arg_lists))
        for index, (args, jid) in enumerate(zip(arg_lists, jids, strict=False)):
            wire_format.check_args(args, f"args[{index}]")
            yield shared | {"args": args, "jid": jid}

    def _send(self, payloads: Sequence[dict[str, Any] | None]) -> list[str | None]:
        batch = self._batch(payloads)
        if not _deferred(self._deliver, batch):
            self._deliver(batch)
        return _jids(payloads)

    async def _asend(self, payloads: Sequence[dict[str, Any] | None]) -> list[str | None]:
        batch = self._batch(payloads)
        if not _deferred(self._deliver, batch):
            await self._aside(self._deliver, batch)
        return _jids(payloads)

    async def _aside(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it in a thread, where it may wait: one connection, one second try and one backlog for all callers.

        Not in a thread of the loop's: a Redis that is away would hold up who resolves names in them.
        """
        if self._senders is None or self._senders_of != os.getpid():
            # Without a lock, as in ``default``; and a forked process has none of its parent's threads.
            self._senders, self._senders_of = ThreadPoolExecutor(_SENDERS, "jobsup-client"), os.getpid()
        return await asyncio.get_running_loop().run_in_executor(self._senders, partial(function, *args, **kwargs))

    def _batch(self, payloads: Sequence[dict[str, Any] | None]) -> Batch:
        now: dict[str, list[bytes]] = {}
        later: list[tuple[float, bytes]] = []
        enqueued_at = wire_format.stamp(time.time(), self.wire)
        for payload in payloads:
            if payload is None:
                continue
            at = payload.pop("at", None)
            if at is None:
                payload["enqueued_at"] = enqueued_at
                now.setdefault(payload["queue"], []).append(wire_format.dumps(payload))
            else:
                later.append((at, wire_format.dumps(payload)))
        return Batch(now, later)

    def _deliver(self, batch: Batch) -> None:
        if not batch:
            return
        if self._backlog is None:
            self._write(batch)
        else:
            self._backlog.push(batch)

    def _write(self, batch: Batch) -> None:
        try:
            self._pusher.push(batch.now, batch.later)
        except RedisUnavailable as error:
            raise RedisUnavailable(redis_url.unanswered(self._url, error)) from error


def _bulk(item: dict[str, Any], batch_size: int) -> tuple[list[list[Any]], Any]:
    """The lists of arguments, and the time of all or a list of one for each."""
    if type(batch_size) is not int or batch_size < 1:
        raise ArgumentError(f"batch_size must be a number of jobs above 0, not {batch_size!r}")
    arg_lists, at = item.get("args"), item.get("at")
    if not isinstance(arg_lists, list) or not all(isinstance(args, list) for args in arg_lists):
        raise ArgumentError("args must be a list with one list of arguments for each job")
    if isinstance(at, list) and len(at) != len(arg_lists):
        raise ArgumentError(f"at has {len(at)} times for {len(arg_lists)} jobs")
    if "jid" in item and len(arg_lists) > 1:
        raise ArgumentError("a jid can be given for one job only")
    return arg_lists, at


def _slices(prepared: list[T], size: int) -> Iterator[list[T]]:
    return (prepared[start : start + size] for start in range(0, len(prepared), size))


def _deferred(deliver: Callable[[Batch], None], batch: Batch) -> bool:
    """Whether it is not to be sent now: whoever defers pushes has it."""
    defer = _deferring.get()
    if defer is not None:
        defer(partial(deliver, batch))
    return defer is not None


def _jids(payloads: Sequence[dict[str, Any] | None]) -> list[str | None]:
    return [None if payload is None else payload["jid"] for payload in payloads]


def _wire(given: int | None) -> int:
    text = str(given) if given is not None else os.environ.get("JOBSUP_WIRE") or "8"
    if text not in ("6", "7", "8"):
        raise ArgumentError(f"wire (JOBSUP_WIRE) must be 6, 7 or 8, not {text!r}")
    return int(text)


def _validate(item: object) -> None:
    """What Sidekiq refuses about a job as a whole."""
    if not isinstance(item, dict) or "class" not in item or "args" not in item:
        raise ArgumentError("a job must be a dict with at least 'class' and 'args'")
    for key in item:
        if type(key) is not str:
            raise ArgumentError(f"a job's keys must be str, not {key!r}")
    if not isinstance(item["class"], str) or not item["class"]:
        raise ArgumentError(f"class must be the name of a job, not {item['class']!r}")
    if type(item["args"]) is not list:
        raise ArgumentError(f"args must be a list, not a {type(item['args']).__name__}")
    for key in ("queue", "jid"):
        if key in item and (not isinstance(item[key], str) or not item[key]):
            raise ArgumentError(f"{key} must be a name, not {item[key]!r}")
    if item.get("at") is not None and not _is_number(item["at"]):
        raise ArgumentError(f"at must be Unix seconds, not {item['at']!r}")
    if "tags" in item and not isinstance(item["tags"], list):
        raise ArgumentError(f"tags must be a list, not {item['tags']!r}")
    retry_for = item.get("retry_for")
    if retry_for is not None and not (_is_number(retry_for) and retry_for <= RELATIVE_BELOW):
        raise ArgumentError(f"retry_for must be seconds from the first failure, not {retry_for!r}")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < math.inf


_default: Client | None = None
_make: Callable[[], Client] = Client


def default() -> Client:
    """The client that jobs are pushed with: what ``use`` set, else what was offered, else the environment's Redis."""
    # Without a lock, which a fork could copy while it is held: at worst two are made and one is dropped.
    return _default or use(_make())


def push_many(items: Iterable[dict[str, Any]]) -> list[str | None]:
    """Push jobs of any classes in one round trip; see ``Client.push_many``.

    ``push_many([Receipt.item(42), thumbnail.set(wait=5).item("cat.png", 200)])``
    """
    return default().push_many(items)


async def apush_many(items: Iterable[dict[str, Any]]) -> list[str | None]:
    """``push_many``, awaited."""
    return await default().apush_many(items)


def configure(url: str | None = None, *, wire: int | None = None, reliable_push: bool = False) -> Client:
    """Push from now on to *url*, writing for generation *wire*; all as for ``Client``."""
    return use(Client(url, wire=wire, reliable_push=reliable_push))


def use(client: Client) -> Client:
    """Push from now on with *client*."""
    global _default
    _default = client
    return client


def offer(make: Callable[[], Client]) -> None:
    """Push from now on with what *make* makes when first needed, unless the application chooses a client itself."""
    global _make
    _make = make
