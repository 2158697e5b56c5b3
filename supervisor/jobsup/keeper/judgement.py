"""What is to happen with a job that was running when its worker ended.  Pure.

A job that only lay in the dead worker's list goes back to its queue; one that ran is looked at:

===========================  =====================================================================================
its worker was asked to go   it goes back like the others: a stop says nothing about the job
its worker crashed           it is a suspect and runs again by itself, so that its neighbours are safe from it and
                             the next crash is proof
... and it is the third      it is dead: twice by itself, or more, it ended its process
===========================  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from jobsup import payload as wire_format
from jobsup.config.model import QUARANTINE
from jobsup.errors import MalformedPayload, PoisonJob
from jobsup.store.crashes import REMEMBERED, Crash

KILLS = 3
"""Processes that a job may end within the time that crashes are remembered; with the last of them it is dead."""


@dataclass(frozen=True, slots=True)
class GiveBack:
    """To where it came from."""


@dataclass(frozen=True, slots=True)
class Isolate:
    """Into the quarantine *queue*, *crash* being remembered."""

    queue: str
    crash: Crash


@dataclass(frozen=True, slots=True)
class Bury:
    """To the dead set."""

    payload: bytes
    kills: int


@dataclass(frozen=True, slots=True)
class Discard:
    """It would be buried, and its options say that nothing is to be kept."""

    kills: int


Judgement: TypeAlias = GiveBack | Isolate | Bury | Discard


def judge(
    queue: str, raw: bytes, *, cause: str, alone: bool, before: Sequence[Crash], verdict: str, now: float, wire: int
) -> Judgement:
    """Decide about a job that was running when its worker ended.

    Args:
        queue: where it was taken from.
        raw: its payload as it was taken.
        cause: ``crash``, or ``left`` when the worker had been asked to leave.
        alone: whether nothing else ran in that process.
        before: earlier crashes of the job.
        verdict: how the process ended.
        now: Unix seconds.
        wire: the generation of Sidekiq to write for.
    """
    if cause != "crash":
        return GiveBack()
    crash = Crash(now, alone, verdict)
    crashes = [crash, *(earlier for earlier in before if earlier.at > now - REMEMBERED)]
    if not alone or len(crashes) < KILLS:
        return Isolate(queue.removesuffix(QUARANTINE) + QUARANTINE, crash)
    try:
        job = wire_format.loads(raw, wire_format.WIDEST)
    except MalformedPayload:
        return Bury(raw, len(crashes))
    if job.get("dead") is False:
        return Discard(len(crashes))
    return Bury(_buried(job, queue.removesuffix(QUARANTINE), crashes, now, wire), len(crashes))


def _buried(job: dict[str, Any], queue: str, crashes: Sequence[Crash], now: float, wire: int) -> bytes:
    """With the error's fields as Sidekiq's Web UI shows them.  No attempt has failed, so none is counted."""
    verdicts = "; ".join(crash.verdict for crash in reversed(crashes))
    moment = wire_format.stamp(now, wire)
    job["queue"] = queue
    job["error_class"] = f"{PoisonJob.__module__}.{PoisonJob.__qualname__}"
    job["error_message"] = f"It ended its process {len(crashes)} times within 72 hours: {verdicts}"[:10_000]
    job.setdefault("failed_at", moment)
    job.setdefault("retry_count", 0)
    return wire_format.dumps(job)
