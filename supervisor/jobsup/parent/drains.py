"""Drains from their beginning to their last worker's end: what will become of the jobs is said, then what did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobsup import clock
from jobsup.config.model import Profile
from jobsup.durations import Durations
from jobsup.events import Events
from jobsup.parent import report
from jobsup.parent.child import Child
from jobsup.parent.generation import Generation
from jobsup.parent.report import Job, Tally
from jobsup.parent.stages import Stage
from jobsup.parent.verdict import Verdict
from jobsup.typedefs import JSON
from jobsup.unix.pidfd import Ended
from jobsup.unix.slot import Running


@dataclass(slots=True)
class _Drain:
    cause: str
    begun: float
    awaited: set[str]
    generation: int
    """For which a reload drains; 0: a stop."""
    tally: Tally = field(default_factory=Tally)


class Drains:
    """The drains under way, each with the workers it waits for.

    1. stop      all workers leave, in their time or at once; the only drain from here on
    2. switch    a reload: the workers of other generations will leave one after the other; or back, and they stay
    3. ended     a worker is gone; with the last of a drain its report is made

    ``drain.forecast`` and ``drain.report`` are emitted with a ready ``sentence`` and everything it was made of.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._open: list[_Drain] = []
        self._last: dict[str, Any] = {"forecast": None, "report": None}

    def stop(self, crew: Iterable[Child], durations: Mapping[str, Durations], begun: float) -> None:
        """*begun*: what the budgets count from, monotonic seconds; long ago when there are none."""
        self._open = []
        leaving = [child for child in crew if child.stage >= Stage.READY]
        gone = clock.monotonic() - begun
        self._begin(0, leaving, durations, lambda job, by: max(0.0, report.allowed(job, by, 0.0) - gone))

    def switch(
        self, crew: Iterable[Child], durations: Mapping[str, Durations], generation: Generation, *, on_trial: bool
    ) -> None:
        """*on_trial*: what is switched to is new, and not what a reload that failed goes back to."""
        if not on_trial:
            self._open = [drain for drain in self._open if drain.generation <= generation.number]
            return
        staying = (Stage.READY, Stage.QUIET)
        old = [child for child in crew if child.stage in staying and child.generation is not generation]
        self._begin(generation.number, old, durations, lambda job, by: report.allowed(job, by, by.drain))

    def ended(self, child: Child, _ended: Ended, _verdict: Verdict) -> None:
        found = next((drain for drain in self._open if child.nonce in drain.awaited), None)
        if found is None:
            return
        now = clock.monotonic()
        running = child.slot.running()
        found.tally += report.tally(child.ran, child.given_back, running, child.longest, now)
        found.awaited.discard(child.nonce)
        self._report(found, now)

    def status(self) -> dict[str, JSON]:
        """For ``ctl status``: the last forecast and the last report."""
        return self._last

    def _begin(
        self,
        generation: int,
        children: list[Child],
        durations: Mapping[str, Durations],
        budget: Callable[[Running, Profile], float],
    ) -> None:
        now = clock.monotonic()
        jobs = [
            Job(job.klass, max(0.0, now - job.begun), budget(job, child.profile), job.pauses)
            for child in children
            for job in child.slot.running()
        ]
        found = report.forecast(jobs, durations)
        cause = "reload" if generation else "stop"
        sentence = found.sentence(clock.wall(), begun=not generation)
        facts = {"cause": cause, "sentence": sentence, **found.dump()}
        self._last = {**self._last, "forecast": facts}
        self._events.emit("drain.forecast", **facts)
        drain = _Drain(cause, now, {child.nonce for child in children}, generation)
        self._open.append(drain)
        self._report(drain, now)

    def _report(self, drain: _Drain, now: float) -> None:
        if drain.awaited:
            return
        self._open.remove(drain)
        seconds = now - drain.begun
        sentence = drain.tally.sentence(seconds)
        facts = {"cause": drain.cause, "sentence": sentence, "seconds": seconds, **drain.tally.dump()}
        self._last = {**self._last, "report": facts}
        self._events.emit("drain.report", **facts)
