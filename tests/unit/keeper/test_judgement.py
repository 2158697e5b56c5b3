"""What is decided about a job that ran when its worker ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobsup.jobs import retry_policy
from jobsup.keeper.judgement import (
    Bury,
    Cancel,
    Discard,
    Fail,
    GiveBack,
    Interrupt,
    Isolate,
    Judgement,
    Spare,
    WornOut,
    judge,
)
from jobsup.store.crashes import REMEMBERED, Crash

NOW = 1_000_000.0
RAW = json.dumps({"class": "Heavy", "jid": "abc", "args": [1], "queue": "mail", "retry_count": 4}).encode()


def decided(*before: Crash, raw: bytes = RAW, queue: str = "mail.quarantine", **facts: Any) -> Judgement:
    given = {"cause": "crash", "alone": True, "verdict": "killed by SIGSEGV", "now": NOW, "wire": 8} | facts
    return judge(queue, raw, before=before, **given)


def crashed(ago: float = 10.0, *, exact: bool = True) -> Crash:
    return Crash(NOW - ago, exact, "exit code 3")


def test_a_stop_says_nothing_about_the_job() -> None:
    assert decided(crashed(), crashed(), crashed(), cause="left") == GiveBack()


@pytest.mark.parametrize("queue", ["mail", "mail.quarantine"])
def test_a_suspect_goes_to_the_quarantine_of_the_queue_it_came_from_first(queue: str) -> None:
    assert decided(queue=queue) == Isolate("mail.quarantine", Crash(NOW, True, "killed by SIGSEGV"))


def test_the_third_crash_within_the_time_is_the_last_if_it_is_proved() -> None:
    assert isinstance(decided(crashed()), Isolate)
    judgement = decided(crashed(), crashed(exact=False))
    assert isinstance(judgement, Bury)
    assert judgement.kills == 3


def test_a_crash_in_company_proves_nothing_whatever_happened_before() -> None:
    judgement = decided(crashed(), crashed(), crashed(), alone=False)
    assert isinstance(judgement, Isolate)
    assert not judgement.crash.exact


def test_what_ran_in_a_worker_that_was_too_large_goes_back_once_and_is_a_suspect_the_next_time() -> None:
    first = decided(queue="mail", cause="memory", alone=False)
    assert first == Spare("mail", Crash(NOW, False, "killed by SIGSEGV"))
    assert isinstance(decided(crashed(), queue="mail", cause="memory", alone=False), Isolate)
    assert isinstance(decided(crashed(), crashed(), cause="memory"), Bury)
    assert isinstance(decided(crashed(REMEMBERED + 1), queue="mail", cause="memory"), Spare)


def test_crashes_are_forgotten_after_72_hours() -> None:
    assert isinstance(decided(crashed(REMEMBERED + 1), crashed(REMEMBERED + 2)), Isolate)


def test_what_is_buried_says_what_happened_and_costs_no_attempt() -> None:
    judgement = decided(crashed(), crashed())
    assert isinstance(judgement, Bury)
    job = json.loads(judgement.payload)
    assert job["error_class"] == "jobsup.errors.PoisonJob"
    assert job["error_message"] == (
        "It ended its process 3 times within 72 hours: exit code 3; exit code 3; killed by SIGSEGV"
    )
    assert (job["queue"], job["retry_count"], job["failed_at"]) == ("mail", 4, 1_000_000_000)


def test_a_job_that_is_not_to_be_kept_is_discarded() -> None:
    raw = json.dumps({"class": "Heavy", "dead": False}).encode()
    assert decided(crashed(), crashed(), raw=raw) == Discard(3)


def test_what_is_no_job_is_buried_byte_for_byte() -> None:
    assert decided(crashed(), crashed(), raw=b"\xff") == Bury(b"\xff", 3)


@pytest.mark.parametrize("cause", ["crash", "left"])
def test_a_job_whose_time_limit_had_passed_failed_whoever_ended_its_process(cause: str) -> None:
    judgement = decided(cause=cause, over_limit=True, seconds=12.34)
    assert isinstance(judgement, Fail)
    assert isinstance(judgement.decision, retry_policy.RetryAt)
    job = json.loads(judgement.decision.payload)
    assert job["error_class"] == "jobsup.errors.TimeLimitExceeded"
    assert job["error_message"].startswith("it ran for 12.3s, longer than its time limit")
    assert (job["queue"], job["retry_count"]) == ("mail", 5)


@pytest.mark.parametrize(
    ("fields", "decision"), [({"retry": 0}, retry_policy.Bury), ({"retry": False}, retry_policy.Discard)]
)
def test_the_retry_policy_says_what_becomes_of_it(fields: dict[str, Any], decision: type) -> None:
    raw = json.dumps({"class": "K", "jid": "abc", "args": []} | fields).encode()
    judgement = decided(raw=raw, cause="left", over_limit=True)
    assert isinstance(judgement, Fail)
    assert isinstance(judgement.decision, decision)


@pytest.mark.parametrize("facts", [{"cause": "crash"}, {"cause": "left"}, {"cause": "left", "over_limit": True}])
def test_a_cancelled_job_is_done_with_however_its_process_ended(facts: dict[str, Any]) -> None:
    assert decided(cancelled=True, **facts) == Cancel()


def test_stops_are_counted_only_for_a_job_that_has_a_limit_and_buried_beyond_it() -> None:
    own = json.dumps({"class": "K", "jid": "abc", "args": [], "max_interruptions": 2}).encode()

    assert decided(cause="left", interruptions=99) == GiveBack()
    assert decided(cause="left", interruptions=1, max_interruptions=2) == Interrupt()
    assert decided(cause="left", interruptions=1, raw=own) == Interrupt()
    assert isinstance(decided(cause="left", interruptions=2, max_interruptions=2), WornOut)
    worn = decided(cause="left", interruptions=2, max_interruptions=9, raw=own)
    assert isinstance(worn, WornOut)
    assert isinstance(worn.decision, retry_policy.Bury)
    job = json.loads(worn.decision.payload)
    assert job["error_message"].startswith("interrupted 3 times by stops")


def test_what_is_no_job_has_no_limits() -> None:
    assert decided(raw=b"{", cause="left", over_limit=True, max_interruptions=0) == GiveBack()
