from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsup.jobs.options import JobOptions
from jobsup.jobs.retry_policy import Bury, Discard, RetryAt, after_failure
from jobsup.payload import dumps

NOW = 1_800_000_000.0
GOLDEN = {
    path.stem.removeprefix("payloads-"): json.loads(path.read_text())
    for path in Path(__file__).parents[2].glob("golden/payloads-*.json")
}


def fail(
    job: dict[str, Any] | None = None,
    *,
    error: BaseException | None = None,
    options: JobOptions | None = None,
    wire: int = 8,
    jitter: Callable[[int], int] = lambda bound: 0,
    **keys: Any,
) -> RetryAt | Bury | Discard:
    raw = dumps((job or {"class": "X", "args": [], "retry": True}) | keys)
    return after_failure(
        raw, queue="q", error=error or RuntimeError("no"), options=options, max_retries=25, wire=wire, now=NOW,
        jitter=jitter,
    )  # fmt: skip


def stored(decision: RetryAt | Bury | Discard) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(decision.payload)
    return found


class RubysError(RuntimeError):
    pass


@pytest.mark.parametrize(("version", "wire"), [("8.1.7", 8), ("6.4.1", 6)])
@pytest.mark.parametrize("name", ["first_failure", "dead"])
def test_a_first_failure_is_stored_byte_for_byte_as_sidekiq_stores_it(version: str, wire: int, name: str) -> None:
    golden = json.loads(GOLDEN[version][name]["raw"])
    added = ("error_message", "error_class", "failed_at", "retry_count")
    fetched = {key: value for key, value in golden.items() if key not in added}

    decision = after_failure(
        dumps(fetched),
        queue="default",
        error=RuntimeError(golden["error_message"]),
        options=None,
        max_retries=25,
        wire=wire,
        now=golden["failed_at"] / (1000 if wire == 8 else 1),
    )

    assert decision.payload.decode() == GOLDEN[version][name]["raw"]
    assert isinstance(decision, RetryAt if name == "first_failure" else Bury)


@pytest.mark.parametrize(("version", "wire"), [("8.1.7", 8), ("6.4.1", 7)])
def test_a_second_failure_counts_and_keeps_the_time_of_the_first(version: str, wire: int) -> None:
    golden = json.loads(GOLDEN[version]["second_failure"]["raw"])
    fetched = {key: value for key, value in golden.items() if key != "retried_at"} | {"retry_count": 0}

    found = stored(fail(fetched, wire=wire))

    assert found["retry_count"] == 1
    assert found["failed_at"] == golden["failed_at"]
    assert type(found["retried_at"]) is type(golden["retried_at"])
    assert list(found) == list(golden)


@pytest.mark.parametrize(("before", "delay"), [(None, 15), (0, 16), (1, 31), (2, 96), (9, 10_015), (23, 331_791)])
def test_the_delay_is_the_fourth_power_of_the_count_and_fifteen(before: int | None, delay: int) -> None:
    decision = fail(**({} if before is None else {"retry_count": before, "failed_at": 1}))

    assert isinstance(decision, RetryAt)
    assert decision.when == NOW + delay


@pytest.mark.parametrize(("wire", "most"), [(6, 27), (7, 27), (8, 29)])
def test_jitter_is_what_each_generation_adds(wire: int, most: int) -> None:
    decision = fail(retry_count=1, failed_at=1, wire=wire, jitter=lambda bound: bound - 1)

    assert isinstance(decision, RetryAt)
    assert decision.when == NOW + 31 + most


@pytest.mark.parametrize(
    ("retry", "before", "kind"),
    [
        (True, 23, RetryAt),
        (True, 24, Bury),
        (3, 1, RetryAt),
        (3, 2, Bury),
        (0, None, Bury),
        (1, None, RetryAt),
        ("many", 23, RetryAt),
        ("many", 24, Bury),
        (1.5, 23, RetryAt),
        (False, None, Discard),
        (-1, None, Bury),
    ],
)
def test_retry_says_how_often(retry: object, before: int | None, kind: type) -> None:
    keys = {} if before is None else {"retry_count": before, "failed_at": 1}

    assert isinstance(fail(retry=retry, **keys), kind)


def test_retry_false_leaves_the_payload_as_it_was() -> None:
    assert fail(retry=False) == Discard(b'{"class":"X","args":[],"retry":false}', "retry is false")


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (JobOptions(retry=0), Bury),
        (JobOptions(retry=False), Discard),
        (JobOptions(), RetryAt),
        (None, RetryAt),
    ],
)
@pytest.mark.parametrize("job", [{"class": "X", "args": []}, {"class": "X", "args": [], "retry": None}])
def test_without_retry_in_the_payload_the_class_decides_and_an_unknown_one_retries(
    options: JobOptions | None, kind: type, job: dict[str, Any]
) -> None:
    assert isinstance(fail(job, options=options), kind)


def test_the_payload_outranks_the_class() -> None:
    assert isinstance(fail(retry=0, options=JobOptions(retry=5)), Bury)


def test_dead_false_is_forgotten_instead_of_buried() -> None:
    assert isinstance(fail(retry=0, dead=False), Discard)
    assert isinstance(fail(retry=1, dead=False), RetryAt)


@pytest.mark.parametrize(("retry_for", "kind"), [(99, Bury), (100, RetryAt), (10**12, RetryAt)])
def test_retry_for_alone_decides_where_it_is_given(retry_for: int, kind: type) -> None:
    failed_at = int((NOW - 100) * 1000)

    assert isinstance(fail(retry=0, retry_for=retry_for, retry_count=40, failed_at=failed_at), kind)


def test_the_retry_goes_to_the_queue_it_came_from_or_to_its_retry_queue() -> None:
    assert stored(fail(queue="elsewhere"))["queue"] == "q"
    assert stored(fail(retry_queue="slow"))["queue"] == "slow"


@pytest.mark.parametrize(
    ("advice", "delay"),
    [(60, 60), (1.9, 1), (None, 15), (0, 15), (-5, 15), (0.5, 15), (True, 15), ("soon", 15), (float("nan"), 15),
     (float("inf"), 15)],
)  # fmt: skip
def test_the_hook_may_choose_the_delay_and_nonsense_means_the_usual_one(advice: Any, delay: int) -> None:
    decision = fail(options=JobOptions(retry_in=lambda count, error, payload: advice))

    assert isinstance(decision, RetryAt)
    assert decision.when == NOW + delay


@pytest.mark.parametrize(("advice", "kind"), [("discard", Discard), ("kill", Bury)])
def test_the_hook_may_end_it(advice: Any, kind: type) -> None:
    assert isinstance(fail(options=JobOptions(retry_in=lambda *_: advice)), kind)


def test_a_hook_that_raises_does_not_cost_the_retry() -> None:
    def broken(count: int, error: BaseException, payload: dict[str, Any]) -> float:
        raise LookupError

    assert isinstance(fail(options=JobOptions(retry_in=broken)), RetryAt)


def test_the_hook_sees_count_error_and_payload() -> None:
    seen: list[Any] = []
    error = RuntimeError("x")

    fail(error=error, retry_count=3, failed_at=1, options=JobOptions(retry_in=lambda *args: seen.extend(args)))

    assert seen[:2] == [4, error]
    assert seen[2]["class"] == "X"


def test_the_error_is_named_as_python_names_it() -> None:
    assert stored(fail(error=KeyError("k")))["error_class"] == "KeyError"
    assert stored(fail(error=RubysError()))["error_class"].endswith("test_retry_policy.RubysError")


def test_the_message_is_cut_to_10000_characters_and_made_valid_text() -> None:
    assert stored(fail(error=RuntimeError("é" * 20_000)))["error_message"] == "é" * 10_000
    assert stored(fail(error=RuntimeError("\ud800")))["error_message"] == "?"


def test_a_message_that_cannot_be_read_does_not_cost_the_retry() -> None:
    class Unreadable(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert "could not be read" in stored(fail(error=Unreadable()))["error_message"]


def raised() -> BaseException:
    def inner() -> None:
        raise RuntimeError("échec")

    try:
        inner()
    except RuntimeError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(("wanted", "lines"), [(True, 2), (1, 1), (99, 2)])
def test_a_backtrace_is_base64_of_zlib_of_a_json_list_innermost_first(wanted: object, lines: int) -> None:
    encoded = stored(fail(error=raised(), backtrace=wanted))["error_backtrace"]

    found = json.loads(zlib.decompress(base64.b64decode(encoded)))

    assert len(found) == lines
    assert "inner" in found[0]
    assert "\n" not in encoded


@pytest.mark.parametrize("wanted", [False, None, 0, "yes"])
def test_without_the_option_no_backtrace_is_stored(wanted: object) -> None:
    assert "error_backtrace" not in stored(fail(error=raised(), backtrace=wanted))


json_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.lists(st.integers(), max_size=2)
)
fields = [
    "retry",
    "retry_count",
    "retry_for",
    "retry_queue",
    "failed_at",
    "backtrace",
    "dead",
    "queue",
    "jid",
]


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*fields, "bid", "cattr"], json_values)))
def test_no_payload_however_odd_is_lost_and_unknown_keys_survive(job: dict[str, Any]) -> None:
    decision = fail({"class": "X", "args": [1]} | job)

    found = stored(decision)
    assert {key: found.get(key) for key in ("class", "args")} == {"class": "X", "args": [1]}
    assert {key: found[key] for key in ("bid", "cattr") if key in job} == {
        key: job[key] for key in ("bid", "cattr") if key in job
    }
    assert isinstance(decision, Discard) == (job.get("retry") is False or (
        job.get("dead") is False and not isinstance(decision, RetryAt)
    ))  # fmt: skip
    if isinstance(decision, RetryAt):
        assert NOW < decision.when < float("inf")
        assert isinstance(found["retry_count"], int)
        assert isinstance(found["failed_at"], int | float)


@given(st.integers(0, 10_000), st.sampled_from([6, 7, 8]))
def test_the_jitter_keeps_within_sidekiqs_bounds(before: int, wire: int) -> None:
    early = fail(retry_for=10**9, retry_count=before, wire=wire)
    late = fail(retry_for=10**9, retry_count=before, wire=wire, jitter=lambda bound: bound - 1)

    assert isinstance(early, RetryAt)
    assert isinstance(late, RetryAt)
    assert 0 <= late.when - early.when < 10 * (before + 2)
