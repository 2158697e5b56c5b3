"""When a stop began, and when it is over."""

from dataclasses import replace

import pytest
from running import profile

from jobsup.clock import FOREVER
from jobsup.exits import Exit
from jobsup.parent.stop import Stop

PROFILE = replace(profile(), max_timeout=23.0, kill_after=5.0)


def test_without_a_grace_only_the_budgets_bound_it() -> None:
    stop = Stop(None)
    assert stop.foresee(50.0, [PROFILE]) is None

    assert stop.begin(60.0, [PROFILE], "asked to") == 23
    assert (stop.begun, stop.give_up_at, stop.leave_at) == (60, 60 + 23 + 5 + 5, FOREVER)


def test_the_parent_leaves_before_the_platform_kills_whatever_it_still_waits_for() -> None:
    stop = Stop(30.0)
    stop.begin(100.0, [PROFILE], "asked to")
    assert stop.leave_at == 129


def test_what_a_hook_waited_is_missing_afterwards() -> None:
    stop = Stop(30.0)
    assert stop.foresee(100.0, [PROFILE]) == 23

    assert stop.begin(123.1, [PROFILE], "asked to") == 0
    assert (stop.begun, stop.leave_at) == (100, 129)


def test_a_hook_that_is_repeated_counts_from_its_last_time() -> None:
    stop = Stop(30.0)
    stop.foresee(100.0, [PROFILE])
    stop.foresee(110.0, [PROFILE])
    stop.begin(112.0, [PROFILE], "asked to")
    assert stop.begun == 110


def test_who_drained_it_by_hand_long_before_was_no_hook() -> None:
    stop = Stop(30.0)
    stop.foresee(100.0, [PROFILE])
    assert stop.begin(126.0, [PROFILE], "asked to") == 23
    assert (stop.begun, stop.leave_at) == (126, 155)


@pytest.mark.parametrize(
    ("failed", "left_behind", "given_back", "code"),
    [
        (False, False, False, Exit.OK),
        (False, False, True, Exit.GIVEN_BACK),
        (False, True, True, Exit.LEFT_BEHIND),
        (True, True, True, Exit.POOL_FAILED),
    ],
)
def test_the_exit_code_says_the_worst(failed: bool, left_behind: bool, given_back: bool, code: Exit) -> None:
    stop = Stop(None)
    stop.begin(1.0, [], "asked to")
    assert stop.exit_code(failed=failed, left_behind=left_behind, given_back=given_back) is code


def test_a_stop_for_a_reason_of_its_own_has_a_code_of_its_own() -> None:
    stop = Stop(None)
    stop.begin(1.0, [], "could not start", Exit.UNAVAILABLE)
    assert stop.exit_code(failed=True, left_behind=True, given_back=True) is Exit.UNAVAILABLE
