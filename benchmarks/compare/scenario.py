"""What a scenario is, and the order in which its cases run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from benchmarks.compare.environment import Unavailable
from benchmarks.compare.session import Bench, Failed

Figures: TypeAlias = dict[str, float]
"""What was measured -> how much; the name tells the unit."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be made smaller.

    Attributes:
        seconds: that a measurement of a rate takes.
        jobs: of a measurement of latency, 10 ms apart.
        idle: seconds in which commands of an idle worker are counted.
        waiting: jobs in a queue or in the schedule that is called long.
        due: scheduled jobs that are due, a thousand per second.
        names: how many queues and workers there are when there are many.
    """

    peers: Sequence[str]
    reliable: bool = False
    seconds: float = 4.0
    jobs: int = 1_000
    idle: float = 10.0
    waiting: int = 1_000_000
    due: int = 5_000
    names: int = 1_000


@dataclass(frozen=True, slots=True)
class Case:
    """One row of a scenario's table: *peer* in *variant*, among those that are set up in the same way."""

    setup: str
    peer: str
    variant: str
    measure: Callable[[], Figures]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A question, and how it is answered.

    Attributes:
        about: what is run, for the reader of the table.
        compared: the figures by which rows are compared.
        more: whether more of them is better.
        reference: (peer, variant) of the row with which the others of the same setup are compared.
    """

    name: str
    title: str
    about: str
    compared: tuple[str, ...]
    more: bool
    cases: Callable[[Bench, Options], Iterable[Case]]
    reference: tuple[str, str] = ("jobsup", "default")


@dataclass
class Row:
    """What the rounds of a case gave; None for a round that failed, and the last reason."""

    setup: str
    peer: str
    variant: str
    rounds: list[Figures | None] = field(default_factory=list)
    failed: str = ""

    def values(self, figure: str) -> list[float | None]:
        return [None if figures is None else figures.get(figure) for figures in self.rounds]


def run(scenario: Scenario, bench: Bench, options: Options, rounds: int, keep: Callable[[Sequence[Row]], None]) -> None:
    """All cases once, then all of them again: what the machine does meanwhile hits everybody alike.

    *keep* is called after every round with what is known by then.
    """
    cases = list(scenario.cases(bench, options))
    rows = [Row(case.setup, case.peer, case.variant) for case in cases]
    for number in range(rounds):
        for case, row in zip(cases, rows, strict=True):
            begun = time.monotonic()
            name = f"{scenario.name} {number + 1}/{rounds}  {case.setup:<20} {case.peer} {case.variant}"
            print(f"{name:<60}", end="", file=sys.stderr, flush=True)
            try:
                figures = case.measure()
            except (Failed, Unavailable, OSError) as error:  # OSError: an agent that is gone, a command that is missing
                row.failed, figures = str(error), None
            row.rounds.append(figures)
            said = _said(figures) if figures else row.failed
            print(f" {said}  [{time.monotonic() - begun:.0f} s]", file=sys.stderr, flush=True)
        keep(rows)


def _said(figures: Figures) -> str:
    return ", ".join(f"{value:,.4g} {name}" for name, value in figures.items())
