"""How much is tried: a little with every change, a lot with ``--hypothesis-profile=long``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

settings.register_profile(
    "long", max_examples=8_000, stateful_step_count=100, deadline=None, suppress_health_check=list(HealthCheck)
)

Explore: TypeAlias = Callable[..., None]
"""``explore(machine, examples=..., steps=...)``: what is tried without a profile of its own."""


@pytest.fixture
def explore(capsys: pytest.CaptureFixture[str]) -> Explore:
    def run(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
        tried = {"examples": 0, "steps": 0}

        class Counted(machine):  # type: ignore[misc, valid-type]
            def __init__(self) -> None:
                super().__init__()
                tried["examples"] += 1

            def check_invariants(self, *arguments: object, **named: object) -> None:
                super().check_invariants(*arguments, **named)
                tried["steps"] += 1

        long = settings.get_profile("long")
        modest = settings(long, max_examples=examples, stateful_step_count=steps)
        begun = time.monotonic()
        run_state_machine_as_test(Counted, settings=long if settings.default == long else modest)
        with capsys.disabled():
            print(f"\n{machine.__name__}: {tried} in {time.monotonic() - begun:.0f} s")

    return run
