from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from jobsup import Job, job
from jobsup.errors import ArgumentError, UnknownJob, UnknownOption
from jobsup.jobs import registry
from jobsup.jobs.options import JobOptions
from jobsup.jobs.registry import Registry


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that a test declares are gone with it."""
    monkeypatch.setattr(registry, "default", Registry())


def test_a_class_is_declared_under_its_name_with_its_options() -> None:
    class Payment(Job, queue="critical", retry=10, tags=["money"]):
        def perform(self, order: int) -> str:
            return f"{self.jid} {order} {self.payload['class']}"

    found = registry.default.lookup("Payment")

    assert found.options == JobOptions(queue="critical", retry=10, tags=("money",))
    assert found.run({"class": "Payment", "args": [7], "jid": "j"}) == "j 7 Payment"


def test_an_explicit_name_is_the_one_on_the_wire() -> None:
    class Welcome(Job, name="Mailer::Welcome"):
        def perform(self) -> None: ...

    @job(name="Mailer::Goodbye")
    def goodbye() -> None: ...

    assert registry.default.names() == ["Mailer::Goodbye", "Mailer::Welcome"]


def test_a_function_is_a_job_and_still_a_function() -> None:
    @job
    def double(number: int) -> int:
        """Twice."""
        return number * 2

    assert double(4) == 8
    assert double.__doc__ == "Twice."
    assert registry.default.lookup("double").run({"class": "double", "args": [4]}) == 8


@pytest.mark.parametrize("payload", [{"class": "nothing"}, {"class": "nothing", "args": None}])
def test_missing_arguments_are_none(payload: dict[str, Any]) -> None:
    @job
    def nothing() -> str:
        return "ran"

    assert registry.default.lookup("nothing").run(payload) == "ran"


def test_options_are_inherited_and_an_abstract_base_is_no_job() -> None:
    class Base(Job, abstract=True, queue="slow", retry=3):
        def perform(self) -> None: ...

    class Child(Base, retry=4):
        pass

    assert registry.default.names() == ["Child"]
    assert registry.default.lookup("Child").options == JobOptions(queue="slow", retry=4)
    with pytest.raises(ArgumentError, match="abstract"):
        Base.perform_async()


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"retries": 3}, UnknownOption, "has no option 'retries'; did you mean 'retry'"),
        ({"zzz": 3}, UnknownOption, "known: backtrace, dead, max_interruptions, queue"),
        ({"retry": "3"}, ArgumentError, "option retry must be True, False or a number of retries, not '3'"),
        ({"retry": -1}, ArgumentError, "option retry"),
        ({"queue": ""}, ArgumentError, "option queue"),
        ({"queue": 7}, ArgumentError, "option queue"),
        ({"dead": 0}, ArgumentError, "option dead"),
        ({"backtrace": "all"}, ArgumentError, "option backtrace"),
        ({"timeout": 0}, ArgumentError, "option timeout"),
        ({"timeout": float("inf")}, ArgumentError, "option timeout"),
        ({"time_limit": 0}, ArgumentError, "option time_limit must be a number of seconds above 0"),
        ({"max_interruptions": True}, ArgumentError, "option max_interruptions must be a number of interruptions"),
        ({"max_interruptions": -1}, ArgumentError, "option max_interruptions"),
        ({"retry_for": 2_000_000_000}, ArgumentError, "option retry_for"),
        ({"retry_queue": ""}, ArgumentError, "option retry_queue"),
        ({"tags": "abc"}, ArgumentError, "option tags"),
        ({"retry_in": 5}, ArgumentError, "option retry_in"),
        ({"name": "a|b"}, ArgumentError, "name of a job"),
        ({"name": ""}, ArgumentError, "name of a job"),
    ],
)
def test_a_mistake_in_the_options_fails_where_the_job_is_declared(
    options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):

        @job(**options)
        def careless() -> None: ...

    assert registry.default.names() == []


def test_generator_jobs_are_refused() -> None:
    with pytest.raises(ArgumentError, match="is a generator"):

        class Yielding(Job):
            def perform(self) -> Any:
                yield 1

    with pytest.raises(ArgumentError, match="is a generator"):

        @job
        async def waiting() -> Any:
            yield 1


def test_the_registry_knows_which_jobs_are_async_and_whether_any_is() -> None:
    @job
    def plain() -> None: ...

    assert not registry.default.has_async

    class Waiting(Job):
        async def perform(self) -> None: ...

    assert registry.default.has_async
    assert registry.default.lookup("Waiting").is_async
    assert not registry.default.lookup("plain").is_async


def test_a_class_without_perform_is_refused() -> None:
    with pytest.raises(ArgumentError, match="has no method perform"):

        class Idle(Job):
            pass


def test_a_static_retry_in_becomes_an_option_and_a_plain_one_is_refused() -> None:
    class Patient(Job):
        @staticmethod
        def retry_in(count: int, error: BaseException, payload: dict[str, Any]) -> float:
            return 60

        def perform(self) -> None: ...

    hook = registry.default.lookup("Patient").options.retry_in
    assert hook
    assert hook(0, ValueError(), {}) == 60

    with pytest.raises(ArgumentError, match="staticmethod"):

        class Wrong(Job):
            def retry_in(self, count: int, error: BaseException, payload: dict[str, Any]) -> float:
                return 60

            def perform(self) -> None: ...


def declared(name: str, place: str) -> None:
    def function() -> None: ...

    function.__qualname__ = place
    job(name=name)(function)


def test_the_same_place_may_declare_again_and_another_may_not() -> None:
    declared("Twice", "here")
    declared("Twice", "here")

    with pytest.raises(ArgumentError, match=r"two jobs are named 'Twice': .*\.here and .*\.there"):
        declared("Twice", "there")


def test_an_unknown_job_is_named_with_what_is_close() -> None:
    declared("SendReceipt", "a")

    with pytest.raises(UnknownJob, match="'SendReciept' is declared; close: SendReceipt"):
        registry.default.lookup("SendReciept")
    with pytest.raises(UnknownJob, match="require the module"):
        registry.default.lookup("os.system")


def test_only_what_differs_from_sidekiqs_defaults_goes_into_the_payload() -> None:
    assert JobOptions(timeout=5).to_payload() == {"retry": True, "queue": "default"}
    assert JobOptions(retry=False, dead=False, backtrace=5, tags=("a",)).to_payload() == {
        "retry": False,
        "queue": "default",
        "dead": False,
        "backtrace": 5,
        "tags": ["a"],
    }


def test_declaring_loads_no_worker_and_connects_to_nothing() -> None:
    program = (
        "import sys, jobsup\n"
        "class A(jobsup.Job):\n"
        "    def perform(self): ...\n"
        "print(*[m for m in sys.modules if m.startswith(('jobsup.worker', 'jobsup.parent', 'jobsup.keeper'))])"
    )
    environ = {"REDIS_URL": "redis://127.0.0.1:1"}

    assert subprocess.check_output([sys.executable, "-c", program], env=environ, text=True).split() == []


@pytest.mark.parametrize("thing", ["heavy", 3, dict])
def test_the_decorator_of_something_that_is_no_function_says_how_options_are_given(thing: Any) -> None:
    with pytest.raises(ArgumentError, match=r"give options by name: @job\(queue="):
        job(thing)
