"""What happened to a job, as an Outcome."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import inspect
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from jobsup import errors
from jobsup.clock import FOREVER
from jobsup.errors import Shutdown, TimeLimitExceeded
from jobsup.events import Events
from jobsup.jobs.options import JobOptions
from jobsup.jobs.registry import JobDefinition, Registry
from jobsup.payload import Limits
from jobsup.unix.slot import Slot
from jobsup.worker.executor import Executor
from jobsup.worker.outcome import Buried, Cancelled, Discarded, Interrupted, Outcome, RetryAt, Succeeded
from jobsup.worker.unit import Interruption, UnitOfWork


class Said(list[tuple[str, dict[str, Any]]]):
    def __call__(self, name: str, facts: dict[str, Any]) -> None:
        self.append((name, facts))

    def names(self) -> list[str]:
        return [name for name, _ in self]


@pytest.fixture
def said() -> Said:
    return Said()


def executor(said: Said, run: Callable[[dict[str, Any]], Any], **options: Any) -> Executor:
    registry = Registry()
    registry.declare(JobDefinition("K", JobOptions(**options), run, is_async=inspect.iscoroutinefunction(run)))
    events = Events()
    events.subscribe(said)
    return Executor(registry, lambda definition, payload: definition.run(payload), 25, 8, events)


def unit(**fields: Any) -> UnitOfWork:
    payload = {"retry": True, "queue": "a", "class": "K", "args": [1], "jid": "j1"} | fields
    return UnitOfWork("a", json.dumps(payload, separators=(",", ":")).encode())


def raising(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    def run(_payload: dict[str, Any]) -> Any:
        raise error

    return run


def test_a_job_that_returns_has_succeeded(said: Said) -> None:
    assert executor(said, lambda _payload: "anything")(unit()) == Succeeded()


def test_a_failed_job_is_retried_with_what_was_fetched_and_not_what_the_job_made_of_it(said: Said) -> None:
    def run(payload: dict[str, Any]) -> None:
        payload["args"].append("changed")
        raise ValueError("no")

    outcome = executor(said, run)(unit())

    assert isinstance(outcome, RetryAt)
    assert json.loads(outcome.payload)["args"] == [1]
    assert json.loads(outcome.payload)["error_class"] == "ValueError"


def test_what_is_beyond_the_limits_is_buried_unread_and_told_once(said: Said) -> None:
    judge = dataclasses.replace(executor(said, raising(ValueError("never runs"))), limits=Limits(bytes=1024))
    big = unit(args=["x" * 1024])

    assert judge(big) == Buried(big.raw)
    assert said.names() == ["job.malformed"]


def test_a_job_that_was_read_under_wider_limits_is_retried_under_them(said: Said) -> None:
    judge = dataclasses.replace(executor(said, raising(ValueError("no"))), limits=Limits(depth=250))
    deep: Any = []
    for _ in range(150):
        deep = [deep]

    assert isinstance(judge(unit(args=deep)), RetryAt)


def test_the_last_failure_buries(said: Said) -> None:
    outcome = executor(said, raising(ValueError("no")))(unit(retry=0))

    assert isinstance(outcome, Buried)
    assert "job.buried" in said.names()


@pytest.mark.parametrize("fields", [{"retry": False}, {"retry": 0, "dead": False}])
def test_a_job_that_wants_no_trace_is_discarded(said: Said, fields: dict[str, Any]) -> None:
    assert executor(said, raising(ValueError("no")))(unit(**fields)) == Discarded()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError()])
def test_a_job_that_tries_to_end_the_process_only_fails(said: Said, error: BaseException) -> None:
    assert isinstance(executor(said, raising(error))(unit()), RetryAt)


def test_a_shutdown_is_an_interruption(said: Said) -> None:
    assert executor(said, raising(Shutdown()))(unit()) == Interrupted()


def test_an_exception_raised_because_of_a_shutdown_is_an_interruption_too(said: Said) -> None:
    def run(_payload: dict[str, Any]) -> None:
        try:
            raise Shutdown
        except BaseException as error:
            raise RuntimeError("wrapped") from error

    assert executor(said, run)(unit()) == Interrupted()


def test_a_cancelled_job_is_done_with_also_when_it_wraps_what_ended_it(said: Said) -> None:
    def run(_payload: dict[str, Any]) -> None:
        try:
            raise errors.Cancelled
        finally:
            raise RuntimeError("while cleaning up")

    assert executor(said, run)(unit()) == Cancelled()
    assert executor(said, raising(errors.Cancelled()))(unit()) == Cancelled()
    assert said.names().count("job.cancelled") == 2


def test_a_job_over_its_time_limit_fails_and_its_error_names_the_limit(said: Said) -> None:
    outcome = executor(said, raising(TimeLimitExceeded()), time_limit=2.5)(unit())

    assert isinstance(outcome, RetryAt)
    failed = json.loads(outcome.payload)
    assert failed["error_class"] == "jobsup.errors.TimeLimitExceeded"
    assert failed["error_message"] == "it ran longer than its time limit of 2.5s"


def test_the_time_limit_is_the_jobs_own_else_the_profiles_else_there_is_none(said: Said) -> None:
    def limit(of_job: float | None, of_profile: float | None) -> tuple[float, float]:
        slot = Slot.create(1)
        noted: list[float] = []

        def run(_payload: dict[str, Any]) -> None:
            noted.append(slot.running()[0].limit)

        execute = dataclasses.replace(executor(said, run, time_limit=of_job), time_limit=of_profile, grace=5.0)
        job = unit()
        job.begun, job.entry = 100.0, slot.entry(0)
        execute(job)
        slot.close()
        return job.limit, noted[0]

    assert limit(2.0, 60.0) == (102.0, 107.0)
    assert limit(None, 60.0) == (160.0, 165.0)
    assert limit(None, None) == (FOREVER, 0.0)


def test_how_often_a_job_may_be_interrupted_is_said_by_its_payload_its_class_or_the_profile(said: Said) -> None:
    def most(of_payload: object, of_class: int | None, of_profile: int | None) -> int | None:
        execute = executor(said, raising(Shutdown()), max_interruptions=of_class)
        fields = {} if of_payload is None else {"max_interruptions": of_payload}
        outcome = dataclasses.replace(execute, max_interruptions=of_profile)(unit(**fields))
        assert isinstance(outcome, Interrupted)
        return outcome.most

    assert most(1, 2, 3) == 1
    assert most(None, 2, 3) == 2
    assert most("nonsense", 2, 3) == 2
    assert most(None, 0, 3) == 0
    assert most(None, None, 3) == 3
    assert most(None, None, None) is None


def test_what_is_buried_for_its_interruptions_says_so_unless_it_wants_no_trace(said: Said) -> None:
    execute = executor(said, raising(Shutdown()))
    outcome = execute(unit(max_interruptions=2))
    forgotten = execute(unit(max_interruptions=2, dead=False))

    assert isinstance(outcome, Interrupted)
    buried = json.loads(outcome.buried)
    assert buried["error_class"] == "jobsup.errors.InterruptedTooOften"
    assert buried["error_message"].startswith("interrupted 3 times by stops")
    assert forgotten == Interrupted(2, b"")


def test_an_unknown_job_fails_like_any_other_and_is_retried(said: Said) -> None:
    outcome = executor(said, lambda _payload: None)(unit(**{"class": "os.system"}))

    assert isinstance(outcome, RetryAt)
    assert json.loads(outcome.payload)["error_class"].endswith("UnknownJob")


@pytest.mark.parametrize("raw", [b"\xff\x00", b"[]", b"{", b'{"args":[]}', b'{"class":"K","args":{}}'])
def test_what_is_no_job_is_buried_byte_for_byte(said: Said, raw: bytes) -> None:
    assert executor(said, lambda _payload: None)(UnitOfWork("a", raw)) == Buried(raw)
    assert said.names() == ["job.malformed"]


def test_an_exception_that_cannot_be_printed_is_still_a_failure(said: Said) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert isinstance(executor(said, raising(Mute()))(unit()), RetryAt)


def test_a_jobs_own_stop_timeout_is_known_while_it_runs(said: Said) -> None:
    work = unit()
    executor(said, lambda _payload: None, timeout=60)(work)

    assert work.timeout == 60


def awaited(said: Said, error: BaseException, asked: tuple[Interruption, ...] = (), **options: Any) -> Outcome:
    """What becomes of an async job that ends with *error* after it was *asked* to end."""

    async def run(_payload: dict[str, Any]) -> None:
        raise error

    work = unit(backtrace=True)
    work.asked = asked
    running = executor(said, run, **options)(work)
    assert inspect.iscoroutine(running)
    assert said.names() == [], "it began before anybody awaited it"
    return asyncio.run(running)


def test_a_cancelled_task_means_what_it_was_cancelled_for_and_the_stronger_wish_counts(said: Said) -> None:
    def cancelled(*asked: Interruption) -> Outcome:
        said.clear()
        return awaited(said, asyncio.CancelledError(), asked, time_limit=2.5)

    assert cancelled(Shutdown) == Interrupted()
    assert cancelled(errors.Cancelled) == Cancelled()
    assert cancelled(TimeLimitExceeded, Shutdown) == Interrupted()
    assert cancelled(errors.Cancelled, Shutdown) == Cancelled()
    late, own = cancelled(TimeLimitExceeded), cancelled()
    assert isinstance(late, RetryAt)
    assert json.loads(late.payload)["error_message"] == "it ran longer than its time limit of 2.5s"
    assert isinstance(own, RetryAt)
    assert json.loads(own.payload)["error_class"] == "asyncio.exceptions.CancelledError"


def test_an_async_job_that_wraps_its_cancellation_was_interrupted_and_one_that_fails_later_failed(said: Said) -> None:
    wrapped = RuntimeError("while cleaning up")
    wrapped.__context__ = asyncio.CancelledError()

    assert awaited(said, wrapped, (Shutdown,)) == Interrupted()
    said.clear()
    assert isinstance(awaited(said, ValueError("no"), (Shutdown,)), RetryAt)


def test_the_backtrace_of_an_async_job_over_its_time_limit_says_where_it_was(said: Said) -> None:
    outcome = awaited(said, asyncio.CancelledError(), (TimeLimitExceeded,), time_limit=1.0)

    assert isinstance(outcome, RetryAt)
    stored = zlib.decompress(base64.b64decode(json.loads(outcome.payload)["error_backtrace"]))
    assert b"<locals>.run" in stored
