"""The short form of the fuzzing, and that it would notice."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from benchmarks.fuzz import __main__ as fuzz
from benchmarks.fuzz.targets import TARGETS, Target
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, fuzz._too_long)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@pytest.mark.parametrize("name", TARGETS)
def test_no_reader_crashes_loops_or_grows_whatever_comes_in(name: str) -> None:
    result = fuzz.run(name, 150, 1)

    assert result.failure == ""
    assert result.inputs >= 50


def test_a_reader_that_crashes_is_found_with_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def fragile(text: str) -> None:
        text.encode("ascii")

    monkeypatch.setitem(TARGETS, "fragile", Target(st.text(), fragile))

    assert "UnicodeEncodeError" in fuzz.run("fragile", 200, 1).failure


def test_a_reader_that_loops_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(_value: int) -> None:
        while True:
            pass

    monkeypatch.setattr(fuzz, "LONGEST", 0.05)
    monkeypatch.setitem(TARGETS, "endless", Target(st.integers(), endless))

    assert "TookTooLong" in fuzz.run("endless", 1, 1).failure


def test_a_reader_that_grows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bytes] = []
    peaks = iter([0, fuzz.MOST_GROWTH + 1])
    monkeypatch.setattr(fuzz, "_peak", lambda: next(peaks))
    monkeypatch.setitem(TARGETS, "greedy", Target(st.binary(), kept.append))

    assert "resident memory grew" in fuzz.run("greedy", 5, 1).failure
