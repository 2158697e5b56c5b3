from hypothesis import given, settings
from hypothesis import strategies as st

from jobsup.parent.restart import (
    FIRST_DELAY,
    HEALTHY,
    LONGEST_DELAY,
    WINDOW,
    History,
    delay,
    exhausted,
    intensity,
)


def crashes(*moments: float, worked: float = 0.0) -> History:
    history = History()
    for at in moments:
        history = history.add(at, worked)
    return history


def test_the_first_crash_is_answered_at_once() -> None:
    assert delay(crashes(0.0), draw=0.99) == 0.0


def test_a_worker_that_had_worked_long_is_replaced_at_once_whatever_happened_before() -> None:
    assert delay(crashes(0.0, 1.0, 2.0).add(3.0, worked=HEALTHY), draw=0.99) == 0.0


def test_early_crashes_wait_twice_as_long_each_time() -> None:
    waits = [delay(crashes(*range(n)), draw=1.0) for n in range(2, 6)]

    assert waits == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY, 8 * FIRST_DELAY]


def test_what_happened_before_the_window_is_forgotten() -> None:
    assert delay(crashes(0.0, 1.0, 2.0, 2.0 + WINDOW), draw=1.0) == 0.0


@settings(deadline=None)  # a slow machine is no finding
@given(st.integers(1, 100), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_jittered_from_nothing_up_to_the_cap(count: int, draw: float) -> None:
    assert 0.0 <= delay(crashes(*[0.0] * count), draw) <= LONGEST_DELAY * draw


def test_a_pool_is_given_up_at_one_crash_more_than_its_intensity() -> None:
    most = intensity(1)

    assert not exhausted(crashes(*[0.0] * most), 1.0, most)
    assert exhausted(crashes(*[0.0] * (most + 1)), 1.0, most)


def test_crashes_leave_the_window_one_by_one() -> None:
    most = intensity(1)
    history = crashes(*range(most + 1))

    assert exhausted(history, WINDOW - 0.5, most)
    assert not exhausted(history, WINDOW + 0.5, most)


def test_one_event_that_takes_every_worker_does_not_end_a_large_pool() -> None:
    assert not exhausted(crashes(*[0.0] * 32), 0.0, intensity(32))


def test_a_pool_that_can_never_work_is_given_up_in_the_end() -> None:
    """Its waits fit into the window even without luck, or it would try for ever."""
    most = intensity(1)

    assert sum(delay(crashes(*[0.0] * n), draw=0.99) for n in range(1, most + 1)) < WINDOW
