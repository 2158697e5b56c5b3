"""Jobs that do one item after the other and go on where they were when they were stopped."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from jobsup import client
from jobsup.clock import monotonic
from jobsup.errors import ArgumentError, Cancelled, Paused
from jobsup.jobs import enumerators
from jobsup.jobs.base import Job, without_self
from jobsup.jobs.declaration import arguments, declare
from jobsup.jobs.enqueuer import Enqueuer
from jobsup.jobs.progress import Inline, Progress
from jobsup.payload import check_args
from jobsup.store.iteration import Kept, State

SAVE_EVERY = 5.0
"""Seconds between two writes of the place while items run; Sidekiq's figure."""

_NOTHING = nullcontext()


class IterableJob(Job, abstract=True):
    """A job of many items: subclass it, and define ``build_enumerator`` and ``each_iteration``.

    ::

        class Import(IterableJob, queue="heavy"):
            def build_enumerator(self, path, cursor):
                return self.csv_enumerator(path, cursor=cursor)

            def each_iteration(self, row, path): ...

    ``build_enumerator(*args, cursor)`` returns, or yields, pairs of an item and its cursor: what makes it begin
    *with that item* when it is passed as ``cursor``; None means from the first.  Cursors are plain JSON values.
    None instead of an enumerator: there is nothing to do.  ``each_iteration(item, *args)`` does one item.

    The cursor is kept in Redis every five seconds, when the process stops, and when the job fails.  A stop ends
    the job between two items, and it goes on with the next one elsewhere.  A killed process repeats what it did
    since the cursor was kept last.  So each item may be done twice, and never not at all.

    One instance serves one run, from ``build_enumerator`` to the last hook.
    """

    build_enumerator: Callable[..., Iterable[tuple[Any, Any]] | None]
    each_iteration: Callable[..., Any]

    sequence_enumerator = staticmethod(enumerators.sequence)
    rows_enumerator = staticmethod(enumerators.rows)
    batches_enumerator = staticmethod(enumerators.batches)
    csv_enumerator = staticmethod(enumerators.csv_rows)
    csv_batches_enumerator = staticmethod(enumerators.csv_batches)

    def on_start(self) -> None:
        """Before the first item of the first run."""

    def on_resume(self) -> None:
        """Before the first item of every later run, a retry included."""

    def around_iteration(self) -> AbstractContextManager[Any]:
        """Around each item."""
        return _NOTHING

    def on_stop(self) -> None:
        """When the items end, whatever the reason: done, stopped, cancelled, failed."""

    def on_cancel(self) -> None:
        """After ``on_stop``, when somebody cancelled the job.  It does not run again."""

    def on_complete(self) -> None:
        """After ``on_stop``, when the last item is done."""

    @classmethod
    def cancel(cls, jid: str) -> float:
        """End the job *jid* before its next item, wherever it is; see ``Client.cancel``."""
        return client.default().cancel(jid)

    @classmethod
    async def acancel(cls, jid: str) -> float:
        """``cancel``, awaited."""
        return await client.default().acancel(jid)

    # -- how it is run

    @classmethod
    def _declare(cls, name: str, origin: str) -> Enqueuer[..., Any]:
        if getattr(cls, "perform", None) is not None:
            raise ArgumentError(
                f"{origin} defines perform; an iterable job defines build_enumerator and each_iteration"
            )
        build = cls._method("build_enumerator", origin)
        each = cls._method("each_iteration", origin)
        if inspect.iscoroutinefunction(build) or inspect.isasyncgenfunction(build):
            raise ArgumentError(
                f"{origin}.build_enumerator is async, but items are done in a thread; write a plain def"
            )
        definition = declare(name, cls.job_options, each, cls._run, origin, cls._resume)
        return Enqueuer(definition, _without_cursor(without_self(build), origin))

    @classmethod
    def _run(cls, payload: dict[str, Any]) -> None:
        cls._resume(payload, Inline())

    @classmethod
    def _resume(cls, payload: dict[str, Any], progress: Progress) -> None:
        job = cls._of(payload)
        if not payload.get("jid") or not isinstance(payload["jid"], str):
            raise ArgumentError("this iterable job has no jid, under which its place could be kept")
        if progress.stopping():
            raise Paused
        state = progress.load()
        args = arguments(payload)
        items = job.build_enumerator(*args, cursor=state.cursor)
        if items is None:
            return
        try:
            job._iterate(items, args, _Place(state, progress))
        finally:
            # What it holds open is closed now, not when the traceback of an error goes.
            if inspect.isgenerator(items):
                items.close()

    def _iterate(self, items: Iterable[tuple[Any, Any]], args: list[Any], place: _Place) -> None:
        if place.resumed:
            self.on_resume()
        else:
            self.on_start()
        try:
            try:
                with place.kept():
                    done = not place.cancelled and self._do_each(items, args, place)
            finally:
                with place.kept():
                    self.on_stop()
        except Cancelled:  # raised in the middle of an item, by "jobsup ctl cancel"
            self.on_cancel()
            raise
        with place.kept():
            if done:
                self.on_complete()
                return
            self.on_cancel()
        raise Cancelled

    def _do_each(self, items: Iterable[tuple[Any, Any]], args: list[Any], place: _Place) -> bool:
        """Do every item; False when somebody cancelled the job meanwhile."""
        for pair in items:
            try:
                item, cursor = pair
            except (TypeError, ValueError):
                raise ArgumentError(
                    f"build_enumerator of {type(self).__name__} must give pairs of item and cursor, "
                    f"not a {type(pair).__name__}"
                ) from None
            check_args(cursor, "the cursor")
            place.cursor = cursor
            stopping = place.stopping()
            if stopping or place.due():
                kept = place.save()
                if kept is Kept.CANCELLED:
                    return False
                if stopping or kept is Kept.NOT_OURS:
                    raise Paused
            with self.around_iteration():
                self.each_iteration(item, *args)
        return True


def _without_cursor(build: inspect.Signature, origin: str) -> inspect.Signature:
    """What the job is enqueued with, by how its enumerator is built.

    Raises:
        ArgumentError: ``build_enumerator(*args, cursor=…)`` would not be understood.
    """
    last: inspect.Parameter | None = None
    for parameter in build.parameters.values():
        if parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            last = parameter
    cursor = build.parameters.get("cursor")
    if cursor is None or (cursor is not last and cursor.kind is not inspect.Parameter.KEYWORD_ONLY):
        raise ArgumentError(f"{origin}.build_enumerator must take cursor, where to begin, as its last argument")
    return build.replace(parameters=[it for it in build.parameters.values() if it is not cursor])


class _Place:
    """Where one run stands.  The cursor is that of the item about to be done, or being done."""

    def __init__(self, found: State, progress: Progress) -> None:
        self._found = found
        self._progress = progress
        self._begun = self._saved_at = monotonic()
        self.stopping = progress.stopping
        self.cursor = found.cursor

    @property
    def resumed(self) -> bool:
        return self._found.executions > 0

    @property
    def cancelled(self) -> bool:
        return self._found.cancelled_at is not None

    def due(self) -> bool:
        return monotonic() - self._saved_at >= SAVE_EVERY

    def save(self) -> Kept:
        # The time counts whatever comes of it: a Redis that is away is not asked for every item.
        now = self._saved_at = monotonic()
        runtime = self._found.runtime + now - self._begun
        return self._progress.save(State(self._found.executions + 1, self.cursor, runtime))

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Whatever goes wrong within, the next run knows where this one stood."""
        try:
            yield
        except (Paused, Cancelled):
            raise
        except BaseException:
            self.save()
            raise
