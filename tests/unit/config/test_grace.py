"""Budgets and the patience of the platform."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsup.config.flags import Flags
from jobsup.config.grace import LEAST, SPARE, fit
from jobsup.config.model import Config
from jobsup.config.resolve import resolve

seconds = st.floats(0.001, 1e6)


@given(seconds, seconds, seconds, st.floats(LEAST, 1e6))
def test_whatever_was_asked_for_ends_before_the_platform_kills(
    timeout: float, longest: float, kill_after: float, grace: float
) -> None:
    cut = fit(grace, timeout, longest, kill_after)

    assert all(value > 0 for value in cut)
    assert cut[0] <= cut[1]
    assert cut[1] + cut[2] <= grace - SPARE + 1e-9
    assert cut[0] <= timeout
    assert cut[2] <= kill_after
    assert fit(grace, *cut) == pytest.approx(cut)


@given(seconds, seconds, seconds)
def test_what_fits_is_left_as_it_is(timeout: float, more: float, kill_after: float) -> None:
    longest = timeout + more
    assert fit((longest + kill_after) * 2 + LEAST, timeout, longest, kill_after) == (timeout, longest, kill_after)


def test_the_configuration_that_runs_has_the_cut_budgets_and_says_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("require: app\ntimeout: 25\nmax_timeout: 600\nkill_after: 5\n")

    resolution = resolve(Flags(config=("c.yml",)), {"JOBSUP_GRACE": "30"}, str(tmp_path))

    assert resolution.config is not None
    [profile] = resolution.config.profiles
    assert (profile.timeout, profile.max_timeout, profile.kill_after) == (23, 23, 5)
    assert resolution.config.grace == 30
    assert resolution.profiles[0].settings["max_timeout"].origin == "c.yml:3 (cut by $JOBSUP_GRACE)"
    assert resolution.profiles[0].settings["kill_after"].origin == "c.yml:4"
    assert Config.load(resolution.config.dump()) == resolution.config
