"""The forms of ``queues``."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsup.config.model import Capsule
from jobsup.config.queues import queue, queues, unusual

NAMES = st.text(alphabet="abcXYZ019_.:-", min_size=1, max_size=20)
WEIGHTS = st.integers(0, 1000)


@given(NAMES, WEIGHTS)
def test_every_form_of_a_queue_means_the_same(name: str, weight: int) -> None:
    assert queue(f"{name},{weight}") == queue([name, weight]) == queue([name, str(weight)]) == (name, weight)


@given(st.lists(st.tuples(NAMES, WEIGHTS), unique_by=lambda q: q[0], min_size=1))
def test_the_order_of_the_file_is_kept(entries: list[tuple[str, int]]) -> None:
    assert queues([list(entry) for entry in entries]) == tuple(entries)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_whatever_stands_there_is_read_or_refused_in_words(given_value: Any) -> None:
    try:
        read = queues(given_value)
        outcome = bool(read) and all(name and weight >= 0 for name, weight in read)
    except ValueError as error:
        outcome = str(error).startswith(("must", "holds"))

    assert outcome


@pytest.mark.parametrize("wrong", ["", " ", ",5", "a,-1", "a,b", "a,1,2", ["a", -1], ["a", 1.5], ["a", True], None, {}])
def test_an_empty_name_or_a_wrong_weight_is_an_error(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"must|holds"):
        queue(wrong)


@pytest.mark.parametrize(
    ("given_queues", "mode"),
    [(["a", "b"], "strict"), (["a,1", ["b", 1]], "random"), ([["a", 2], "b,1"], "weighted")],
)
def test_names_alone_are_strict_weights_of_one_random_and_others_weighted(given_queues: Any, mode: str) -> None:
    assert Capsule("default", 1, queues(given_queues)).mode == mode


def test_a_name_with_odd_characters_is_unusual() -> None:
    assert unusual("a b")
    assert not unusual("mail-fast_1.x:y")
