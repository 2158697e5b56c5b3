"""Runs one payload and says what happened.  The only place that makes Outcomes of exceptions."""

from __future__ import annotations

import threading
import zlib
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from jobsup import payload as wire_format
from jobsup.clock import FOREVER, monotonic, wall
from jobsup.config.model import QUARANTINE
from jobsup.errors import Cancelled, MalformedPayload, Paused, Shutdown, TimeLimitExceeded, UnknownJob
from jobsup.events import Events
from jobsup.jobs.options import JobOptions
from jobsup.jobs.progress import Progress
from jobsup.jobs.registry import JobDefinition, Registry
from jobsup.jobs.retry_policy import Bury, Discard, RetryAt, after_failure, after_interruptions, most_interruptions
from jobsup.worker import outcome
from jobsup.worker.unit import UnitOfWork

Perform: TypeAlias = Callable[[JobDefinition, dict[str, Any]], Any]
Running: TypeAlias = Coroutine[Any, Any, outcome.Outcome]
"""An async job, to be awaited."""
Occupy: TypeAlias = Callable[[Perform, JobDefinition, dict[str, Any]], Any]
"""Called with what performs a job, and what to call it with, when that keeps the thread until it is done."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Parse, look up, run, judge.

    Attributes:
        registry: the declared jobs; a payload can name nothing else.
        perform: runs a definition with a payload, inside the server middleware; of an async job, what to await.
        max_retries, wire, time_limit, max_interruptions: of the profile.
        limits: of what is read.
        grace: seconds from a job's time limit until it is waited for no longer.
        progress: knows where an iterable job stands; None: each of its runs begins anew.
    """

    registry: Registry
    perform: Perform
    max_retries: int
    wire: int
    events: Events
    time_limit: float | None = None
    max_interruptions: int | None = None
    grace: float = 5.0
    limits: wire_format.Limits = wire_format.LIMITS
    progress: Callable[[UnitOfWork], Progress] | None = None

    def __call__(self, unit: UnitOfWork, occupy: Occupy | None = None) -> outcome.Outcome | Running:
        """Never raises but what interrupts it: an exception of the job is what happened to it.

        Of an async job it returns the coroutine that runs it and says what happened; nothing of it has run yet.

        Args:
            unit: what to run.
            occupy: to be called through by a job that keeps its thread.
        """
        try:
            payload = wire_format.loads(unit.raw, self.limits)
        except MalformedPayload as error:
            self.events.emit("job.malformed", queue=unit.queue, error=str(error))
            return outcome.Buried(unit.raw)
        unit.jid, unit.klass = str(payload.get("jid", "")), payload["class"]
        options: JobOptions | None = None
        try:
            definition = self.registry.lookup(unit.klass)
            unit.declared = True
            options = definition.options
            unit.timeout = options.timeout
            limit = options.time_limit or self.time_limit
            if limit:
                unit.limit = unit.begun + limit
            if definition.is_async:
                return self._awaited(unit, definition, payload)
            unit.iterable = definition.resume is not None and self.progress is not None
            self._note(unit)
            self.events.emit("job.start", **unit.facts())
            if self.progress is not None and unit.iterable:
                definition = definition.keeping(self.progress(unit))
            if occupy is None:
                self.perform(definition, payload)
            else:
                occupy(self.perform, definition, payload)
        except UnknownJob as error:
            return self._judge(unit, error, options)
        # SystemExit and KeyboardInterrupt too: a job's sys.exit() ends the job, not the process.
        except BaseException as error:  # noqa: BLE001
            return self._ended_by(error, unit, payload, options)
        self.events.emit("job.done", **unit.facts(), seconds=monotonic() - unit.begun)
        return outcome.Succeeded()

    async def _awaited(self, unit: UnitOfWork, definition: JobDefinition, payload: dict[str, Any]) -> outcome.Outcome:
        try:
            self._note(unit, awaits=True)
            self.events.emit("job.start", **unit.facts())
            await self.perform(definition, payload)
        except BaseException as error:  # noqa: BLE001  as above
            return self._ended_by(error, unit, payload, definition.options)
        self.events.emit("job.done", **unit.facts(), seconds=monotonic() - unit.begun)
        return outcome.Succeeded()

    def _ended_by(
        self, error: BaseException, unit: UnitOfWork, payload: dict[str, Any], options: JobOptions | None
    ) -> outcome.Outcome:
        causes = set(_causes(error))
        if CancelledError in causes:
            # All that an async job sees of an interruption.  Without one, it or what it awaited was cancelled by the
            # application itself, which is a failure like any other.
            causes.update(unit.asked)
        if Cancelled in causes:
            return self._cancelled(unit)
        if Paused in causes:
            return self._paused(unit)
        if Shutdown in causes:
            return self._interrupted(unit, payload, options)
        if isinstance(error, CancelledError) and TimeLimitExceeded in causes:
            error = TimeLimitExceeded().with_traceback(error.__traceback__)
        if isinstance(error, TimeLimitExceeded) and unit.limit < FOREVER:
            # Python raises the class in another thread, so what it knows can only be told here.
            error.args = (f"it ran longer than its time limit of {unit.limit - unit.begun:g}s",)
        return self._judge(unit, error, options)

    def _note(self, unit: UnitOfWork, *, awaits: bool = False) -> None:
        """Into the running table, just before code that may end this process."""
        if unit.entry is not None:
            thread = threading.current_thread()  # which remembers its native id; the kernel would be asked each time
            check = zlib.crc32(unit.raw)
            limit = 0.0 if unit.limit == FOREVER else unit.limit + self.grace
            unit.entry.begin(
                *(unit.begun, limit, thread.ident or 0, thread.native_id or 0),
                *(check, unit.jid, unit.klass, unit.queue),
                timeout=unit.timeout or 0.0,
                pauses=unit.iterable,
                awaits=awaits,
            )

    def _cancelled(self, unit: UnitOfWork) -> outcome.Outcome:
        self.events.emit("job.cancelled", **unit.facts(), seconds=monotonic() - unit.begun)
        return outcome.Cancelled()

    def _paused(self, unit: UnitOfWork) -> outcome.Outcome:
        self.events.emit("job.paused", **unit.facts(), seconds=monotonic() - unit.begun)
        return outcome.GivenBack()

    def _interrupted(self, unit: UnitOfWork, payload: dict[str, Any], options: JobOptions | None) -> outcome.Outcome:
        self.events.emit("job.interrupted", **unit.facts(), seconds=monotonic() - unit.begun)
        default = options.max_interruptions if options else None
        most = most_interruptions(payload, self.max_interruptions if default is None else default)
        if most is None:
            return outcome.Interrupted()
        queue = unit.queue.removesuffix(QUARANTINE)
        decision = after_interruptions(unit.raw, queue=queue, most=most, wire=self.wire, now=wall())
        return outcome.Interrupted(most, decision.payload if isinstance(decision, Bury) else b"")

    def _judge(self, unit: UnitOfWork, error: BaseException, options: JobOptions | None) -> outcome.Outcome:
        decision = after_failure(
            unit.raw,
            # Its retries belong to the queue it came from: it has come to an end here, so it is no suspect.
            queue=unit.queue.removesuffix(QUARANTINE),
            error=error,
            options=options,
            max_retries=self.max_retries,
            wire=self.wire,
            now=wall(),
        )
        facts = {**unit.facts(), "error": f"{type(error).__name__}: {_text(error)}"}
        match decision:
            case RetryAt(when=when, payload=retried):
                self.events.emit("job.failed", **facts, seconds=monotonic() - unit.begun)
                return outcome.RetryAt(when, retried)
            case Bury(payload=buried):
                self.events.emit("job.buried", **facts)
                return outcome.Buried(buried)
            case Discard():
                self.events.emit("job.failed", **facts, seconds=monotonic() - unit.begun)
                return outcome.Discarded()


def _causes(error: BaseException) -> Iterator[type[BaseException]]:
    """The types of *error* and of what it was raised because of.

    A job that wraps what interrupted it was interrupted all the same, it did not fail.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield type(cause)
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


def _text(error: BaseException) -> str:
    """The first line of what *error* says, for a log line.  A job's exception may fail to say anything."""
    try:
        return str(error).partition("\n")[0][:500]
    except Exception as failed:  # noqa: BLE001  it is the application's code
        return f"(its message cannot be read: {type(failed).__name__})"
