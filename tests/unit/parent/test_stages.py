"""Every row of the table, written out: a change of any of them must be meant."""

import pytest

from jobsup.parent.stages import TABLE, Event, Stage, after

ROWS = """
          SPAWNED   BOOTED    QUIETED   LEAVING   KILL      ENDED
SPAWNING  BOOTING   READY     SPAWNING  DRAINING  KILLED    REAPED
BOOTING   BOOTING   READY     BOOTING   DRAINING  KILLED    REAPED
READY     READY     READY     QUIET     DRAINING  KILLED    REAPED
QUIET     QUIET     QUIET     QUIET     DRAINING  KILLED    REAPED
DRAINING  DRAINING  DRAINING  DRAINING  DRAINING  KILLED    REAPED
KILLED    KILLED    KILLED    KILLED    KILLED    KILLED    REAPED
REAPED    REAPED    REAPED    REAPED    REAPED    REAPED    REAPED
"""

_HEAD, *_LINES = [line.split() for line in ROWS.strip().splitlines()]
CASES = [
    pytest.param(Stage[stage], Event[event], Stage[then], id=f"{stage}-{event}")
    for stage, *thens in _LINES
    for event, then in zip(_HEAD, thens, strict=True)
]


@pytest.mark.parametrize(("stage", "event", "then"), CASES)
def test_row(stage: Stage, event: Event, then: Stage) -> None:
    assert after(stage, event) is then


def test_every_combination_is_defined() -> None:
    assert len(TABLE) == len(Stage) * len(Event) == len(CASES)


def test_a_worker_never_moves_back() -> None:
    assert all(then >= stage for (stage, _), then in TABLE.items())


def test_saying_something_twice_is_saying_it_once() -> None:
    for stage in Stage:
        for event in Event:
            if event is not Event.SPAWNED:
                assert after(after(stage, event), event) is after(stage, event)
