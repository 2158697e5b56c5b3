"""What the jobs wrote: who ran which job from when to when."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Run:
    """One run of one job.  Unix seconds; *end* is None when it never came to its end, and *failed* when it raised."""

    pid: int
    start: float
    end: float | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One item of an iterable job, done by process *pid*.  Unix seconds."""

    index: int
    pid: int
    at: float


class Ledger:
    """The runs of every job in the order of their starts, and the items of iterable jobs in the order of their ends.

    1. note     take in lines
    2. follow   take in what a file has got since
    """

    def __init__(self) -> None:
        self.runs: dict[int, list[Run]] = {}
        self.items: dict[int, list[Item]] = {}
        self.ended: set[int] = set()
        self._offset = 0

    def note(self, lines: Iterable[str]) -> None:
        for line in lines:
            what, number, pid, at, *facts = line.split()
            if what == "item":
                self.items.setdefault(int(number), []).append(Item(int(facts[0]), int(pid), float(at)))
                continue
            runs = self.runs.setdefault(int(number), [])
            if what == "start":
                runs.append(Run(int(pid), float(at)))
                continue
            run = next(run for run in reversed(runs) if run.pid == int(pid) and run.end is None)
            run.end, run.failed = float(at), what == "fail"
            if what == "end":
                self.ended.add(int(number))

    def follow(self, path: str) -> None:
        with open(path, "rb") as file:
            file.seek(self._offset)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        self.note(whole.decode().splitlines())


def create(directory: str) -> str:
    """An empty ledger in *directory*; returns its path."""
    os.mkdir(os.path.join(directory, "failed"))
    path = os.path.join(directory, "ledger")
    with open(path, "a"):
        return path
