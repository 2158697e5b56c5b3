"""What happened to a job, as an Outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jobsup.errors import Shutdown
from jobsup.events import Events
from jobsup.jobs.options import JobOptions
from jobsup.jobs.registry import JobDefinition, Registry
from jobsup.worker.executor import Executor
from jobsup.worker.outcome import Buried, Discarded, Interrupted, RetryAt, Succeeded
from jobsup.worker.unit import UnitOfWork


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
    registry.declare(JobDefinition("K", JobOptions(**options), run))
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
