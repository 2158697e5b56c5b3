"""Runs one payload and says what happened.  The only place that makes Outcomes of exceptions."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobsup import payload as wire_format
from jobsup.clock import wall
from jobsup.config.model import QUARANTINE
from jobsup.errors import MalformedPayload, Shutdown, UnknownJob
from jobsup.events import Events
from jobsup.jobs.options import JobOptions
from jobsup.jobs.registry import JobDefinition, Registry
from jobsup.jobs.retry_policy import Bury, Discard, RetryAt, after_failure
from jobsup.worker import outcome
from jobsup.worker.unit import UnitOfWork


@dataclass(frozen=True, slots=True)
class Executor:
    """Parse, look up, run, judge.

    Attributes:
        registry: the declared jobs; a payload can name nothing else.
        perform: runs a definition with a payload, inside the server middleware.
        max_retries, wire: of the profile.
    """

    registry: Registry
    perform: Callable[[JobDefinition, dict[str, Any]], Any]
    max_retries: int
    wire: int
    events: Events

    def __call__(self, unit: UnitOfWork) -> outcome.Outcome:
        """Never raises but Shutdown: an exception of the job is what happened to it."""
        try:
            payload = wire_format.loads(unit.raw)
        except MalformedPayload as error:
            self.events.emit("job.malformed", queue=unit.queue, error=str(error))
            return outcome.Buried(unit.raw)
        unit.jid, unit.klass = str(payload.get("jid", "")), payload["class"]
        options: JobOptions | None = None
        try:
            definition = self.registry.lookup(unit.klass)
            options = definition.options
            unit.timeout = options.timeout
            self._note(unit)
            self.events.emit("job.start", **unit.facts())
            self.perform(definition, payload)
        except Shutdown:
            return self._interrupted(unit)
        except UnknownJob as error:
            return self._judge(unit, error, options)
        # SystemExit and KeyboardInterrupt too: a job's sys.exit() ends the job, not the process.
        except BaseException as error:  # noqa: BLE001
            return self._interrupted(unit) if _because_of_shutdown(error) else self._judge(unit, error, options)
        self.events.emit("job.done", **unit.facts(), seconds=wall() - unit.run_at)
        return outcome.Succeeded()

    def _note(self, unit: UnitOfWork) -> None:
        """Into the running table, just before code that may end this process."""
        if unit.entry is not None:
            thread, native = threading.get_ident(), threading.get_native_id()
            check = zlib.crc32(unit.raw)
            unit.entry.begin(unit.begun, 0.0, thread, native, check, unit.jid, unit.klass, unit.queue)

    def _interrupted(self, unit: UnitOfWork) -> outcome.Outcome:
        self.events.emit("job.interrupted", **unit.facts(), seconds=wall() - unit.run_at)
        return outcome.Interrupted()

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
                self.events.emit("job.failed", **facts, seconds=wall() - unit.run_at)
                return outcome.RetryAt(when, retried)
            case Bury(payload=buried):
                self.events.emit("job.buried", **facts)
                return outcome.Buried(buried)
            case Discard():
                self.events.emit("job.failed", **facts, seconds=wall() - unit.run_at)
                return outcome.Discarded()


def _because_of_shutdown(error: BaseException) -> bool:
    """Whether an exception was raised while Shutdown passed through: the job was interrupted, it did not fail."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, Shutdown):
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False


def _text(error: BaseException) -> str:
    """The first line of what *error* says, for a log line.  A job's exception may fail to say anything."""
    try:
        return str(error).partition("\n")[0][:500]
    except Exception as failed:  # noqa: BLE001  it is the application's code
        return f"(its message cannot be read: {type(failed).__name__})"
