"""What the demo tells a person: bars on a terminal, a line every other second elsewhere."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from jobsup.contrib.demo.verdict import Verdict

_EVERY = 2.0
"""Seconds between two lines where there is no terminal."""


@dataclass(frozen=True, slots=True)
class State:
    """How far the workload is: (done, of) for modules, packages and workers, and the generation that runs."""

    modules: tuple[int, int]
    packages: tuple[int, int]
    workers: tuple[int, int]
    generation: int

    def line(self) -> str:
        (done, of), (compressed, packages), (ready, workers) = self.modules, self.packages, self.workers
        return (
            f"modules {done}/{of}, packages {compressed}/{packages}, "
            f"{ready} of {workers} workers ready, generation {self.generation}"
        )


class Display(Protocol):
    """Takes states, often, and events, which stay on the screen."""

    def say(self, text: str) -> None: ...
    def show(self, state: State) -> None: ...


class Lines:
    """For pipes, logs and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, state: State) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            self.say(f"  {state.line()}")


class Bars:
    """For a terminal."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._modules = progress.add_task("modules", total=None)
        self._packages = progress.add_task("packages", total=None)
        self._workers = progress.add_task("workers", total=None)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, state: State) -> None:
        for task, (done, of) in (
            (self._modules, state.modules),
            (self._packages, state.packages),
            (self._workers, state.workers),
        ):
            self._progress.update(task, completed=done, total=of)
        self._progress.update(self._workers, description=f"workers (generation {state.generation})")


@contextlib.contextmanager
def display(console: Console) -> Iterator[Display]:
    """The display that suits where *console* writes."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bars(console, progress)


def verdict(console: Console, found: Verdict, seconds: float) -> None:
    """The table, what is wrong in sentences, and PASS or FAIL in the last line."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("jobs enqueued", f"{found.enqueued:,}")
    table.add_row("finished", f"{found.finished:,}")
    table.add_row("run twice", f"{sum(found.twice.values()):,}")
    for reason, jobs in sorted(found.twice.items()):
        table.add_row("", f"{jobs:,}", reason)
    table.add_row("lost", f"{len(found.lost):,}")
    table.add_row("wrong results", f"{len(found.wrong):,}")
    console.print(table)
    for sentence in problems(found):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True, style="red")
    word, style = ("PASS", "bold green") if found.passed else ("FAIL", "bold red")
    console.print(f"{word} after {seconds:.0f}s", style=style, highlight=False)


def problems(found: Verdict, most: int = 10) -> list[str]:
    """Why it failed, in at most *most* sentences of each kind."""
    sentences = [f"lost: {name}" for name in found.lost[:most]]
    sentences += [f"wrong: {sentence}" for sentence in found.wrong[:most]]
    if found.left:
        sentences.append(f"{found.left} jobs still lie in Redis")
    if found.exit_code:
        sentences.append(f"jobsup stopped with exit code {found.exit_code}, not 0")
    return sentences
