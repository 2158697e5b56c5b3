"""What is to happen with a job that was running when its worker ended.  Pure.

A job that only lay in the dead worker's list goes back to its queue; one that ran is looked at:

===========================  =====================================================================================
its time limit had passed    it failed, whoever ended its process: the retry policy decides
somebody had cancelled it    it is done with
its worker was asked to go   it goes back like the others: a stop says nothing about the job
... and it counts stops      beyond ``max_interruptions`` it is dead: it takes longer than deploys are apart
we killed it for its memory  it goes back like the others: jobs that were done before may have taken that memory.  The
                             death is remembered, and if it is not the first, it is a suspect
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
from jobsup.errors import MalformedPayload, PoisonJob, TimeLimitExceeded
from jobsup.jobs import retry_policy
from jobsup.jobs.retry_policy import RetryAt, after_failure, after_interruptions, most_interruptions
from jobsup.store.crashes import REMEMBERED, Crash

KILLS = 3
"""Processes that a job may end within the time that crashes are remembered; with the last of them it is dead."""


@dataclass(frozen=True, slots=True)
class GiveBack:
    """To where it came from."""


@dataclass(frozen=True, slots=True)
class Fail:
    """It failed, and this is what the retry policy says."""

    decision: RetryAt | retry_policy.Bury | retry_policy.Discard


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nowhere: somebody asked to end it."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """To where it came from, and the interruption is counted."""


@dataclass(frozen=True, slots=True)
class WornOut:
    """It was interrupted once too often: to the dead set, or nowhere."""

    decision: retry_policy.Bury | retry_policy.Discard


@dataclass(frozen=True, slots=True)
class Spare:
    """To *queue*, where it came from, *crash* being remembered."""

    queue: str
    crash: Crash


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


Judgement: TypeAlias = GiveBack | Fail | Cancel | Interrupt | WornOut | Spare | Isolate | Bury | Discard


def judge(
    queue: str,
    raw: bytes,
    *,
    cause: str,
    alone: bool,
    before: Sequence[Crash],
    verdict: str,
    now: float,
    wire: int,
    seconds: float = 0.0,
    over_limit: bool = False,
    cancelled: bool = False,
    interruptions: int = 0,
    max_interruptions: int | None = None,
    max_retries: int = 25,
) -> Judgement:
    """Decide about a job that was running when its worker ended.

    Args:
        queue: where it was taken from.
        raw: its payload as it was taken.
        cause: ``crash``, ``memory`` when jobsup killed the worker for what it held, or ``left`` when it had been asked
            to leave.
        alone: whether nothing else ran in that process.
        before: earlier crashes of the job.
        verdict: how the process ended.
        now: Unix seconds.
        wire: the generation of Sidekiq to write for.
        seconds: how long it ran.
        over_limit: whether its hard time limit had passed.
        cancelled: whether somebody had asked to end it.
        interruptions: how often stops had interrupted it before.
        max_interruptions: of the profile.
        max_retries: of the profile.
    """
    try:
        job = wire_format.loads(raw, wire_format.WIDEST)
    except MalformedPayload:
        job = None
    home = queue.removesuffix(QUARANTINE)
    if cancelled:
        return Cancel()
    if job and over_limit:
        error = TimeLimitExceeded(
            f"it ran for {seconds:.1f}s, longer than its time limit, and did not heed it; its process ended: {verdict}"
        )
        return Fail(
            after_failure(raw, queue=home, error=error, options=None, max_retries=max_retries, wire=wire, now=now)
        )
    if cause == "left":
        most = most_interruptions(job, max_interruptions) if job else None
        if most is None:
            return GiveBack()
        if interruptions < most:
            return Interrupt()
        return WornOut(after_interruptions(raw, queue=home, most=most, wire=wire, now=now))
    crash = Crash(now, alone, verdict)
    crashes = [crash, *(earlier for earlier in before if earlier.at > now - REMEMBERED)]
    if cause == "memory" and len(crashes) == 1:
        return Spare(queue, crash)
    if not alone or len(crashes) < KILLS:
        return Isolate(home + QUARANTINE, crash)
    if job is None:
        return Bury(raw, len(crashes))
    if job.get("dead") is False:
        return Discard(len(crashes))
    return Bury(_buried(job, home, crashes, now, wire), len(crashes))


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
