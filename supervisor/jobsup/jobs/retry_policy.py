"""What becomes of a job that failed: decided from its payload alone, as Sidekiq does it.

Source: the retry arithmetic and error fields that Sidekiq 6.4, 7.3 and 8.1 were seen to write.
"""

import base64
import random
import traceback
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import orjson

from jobsup import payload as wire_format
from jobsup.errors import InterruptedTooOften
from jobsup.jobs.options import RETRY_FOR_MAX, JobOptions

MESSAGE_MAX = 10_000
"""Characters of an error's message that are stored."""

_STEEPEST = 1_000
"""The delay grows no further from this count on: 31,000 years, and no overflow from a forged count."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at *when* (Unix seconds)."""

    when: float
    payload: bytes


@dataclass(frozen=True, slots=True)
class Bury:
    """To the dead set."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Discard:
    """Forget it."""

    payload: bytes
    reason: str


_HUGE = 1e15
"""Numbers beyond it are forged: no count, duration or time gets there."""


def after_failure(
    raw: bytes,
    *,
    queue: str,
    error: BaseException,
    options: JobOptions | None,
    max_retries: int,
    wire: int,
    now: float,
    jitter: Callable[[int], int] = random.randrange,
) -> RetryAt | Bury | Discard:
    """Decide about the job *raw* that was taken from *queue* and raised *error*.

    Reads what was fetched, not what middleware made of it.  A payload without ``retry`` has its class's
    option, or True when the class is unknown (*options* is None): Ruby would drop that one.  ``retry: true``
    means *max_retries*; *wire* is the generation of Sidekiq to write for; *jitter* returns a random integer
    from 0 up to, not including, its argument.

    Raises:
        MalformedPayload: *raw* is not a job.
    """
    job = wire_format.loads(raw, wire_format.WIDEST)
    retry = job.get("retry")
    if retry is None:
        retry = options.retry if options else True
    if retry is False:
        return Discard(raw, "retry is false")

    count = _note_failure(job, queue=queue, error=error, now=now, wire=wire)
    noted = wire_format.dumps(job)
    verdict = "kill" if _exhausted(job, retry, count, max_retries, now) else _delay(options, count, error, job)
    if verdict == "discard":
        return Discard(noted, "retry_in said so")
    if isinstance(verdict, int):
        steps = min(count, _STEEPEST) + 1
        spread = jitter(10 * steps) if wire >= 8 else jitter(10) * steps
        return RetryAt(now + verdict + spread, noted)
    if job.get("dead") is False:
        return Discard(noted, "dead is false")
    return Bury(noted)


def most_interruptions(job: Mapping[str, Any], default: int | None) -> int | None:
    """How often stops may interrupt *job*: what its payload says, else *default*; None for any number."""
    most = job.get("max_interruptions")
    return int(most) if _is_number(most) and most >= 0 else default


def after_interruptions(raw: bytes, *, queue: str, most: int, wire: int, now: float) -> Bury | Discard:
    """Decide about the job *raw*, taken from *queue*, that stops interrupted once more than *most* times.

    Raises:
        MalformedPayload: *raw* is not a job.
    """
    job = wire_format.loads(raw)
    reason = (
        f"interrupted {most + 1} times by stops, but its max_interruptions is {most}: "
        "it takes longer than deploys are apart, or than a stop waits for it"
    )
    _note_failure(job, queue=queue, error=InterruptedTooOften(reason), now=now, wire=wire)
    noted = wire_format.dumps(job)
    return Discard(noted, "dead is false") if job.get("dead") is False else Bury(noted)


def _note_failure(job: dict[str, Any], *, queue: str, error: BaseException, now: float, wire: int) -> int:
    """Write the error's fields into *job*; returns how often it had failed before."""
    retry_queue = job.get("retry_queue")
    job["queue"] = retry_queue if isinstance(retry_queue, str) and retry_queue else queue
    job["error_message"] = _message(error)
    job["error_class"] = _class_name(type(error))
    moment = wire_format.stamp(now, wire)
    before = job.get("retry_count")
    if _is_number(before):
        count = max(0, int(before) + 1)
        job["retried_at"] = moment
    else:
        count = 0
    # Sidekiq's Web UI cannot show a retry without failed_at, whoever wrote the payload.
    if count == 0 or not _is_number(job.get("failed_at")):
        job["failed_at"] = moment
    job["retry_count"] = count
    lines = _backtrace(error, job.get("backtrace"))
    if lines:
        job["error_backtrace"] = base64.b64encode(zlib.compress(orjson.dumps(lines))).decode()
    return count


def _exhausted(job: dict[str, Any], retry: object, count: int, max_retries: int, now: float) -> bool:
    retry_for = job.get("retry_for")
    if _is_number(retry_for):
        return wire_format.read_stamp(job["failed_at"]) + min(retry_for, RETRY_FOR_MAX) < now
    # True is an int in Python but no number of retries; whatever is none means the default, as in Sidekiq.
    limit = retry if isinstance(retry, int) and not isinstance(retry, bool) else max_retries
    return count >= limit


def _delay(options: JobOptions | None, count: int, error: BaseException, job: dict[str, Any]) -> int | str:
    """Whole seconds, or what the job's own ``retry_in`` says instead: "discard", "kill"."""
    if options and options.retry_in:
        try:
            advice = options.retry_in(count, error, dict(job))
        except Exception:  # noqa: BLE001 - the job has failed already; a broken hook must not lose its retry
            advice = None
        if advice in ("discard", "kill"):
            return str(advice)
        if _is_number(advice) and int(advice) > 0:
            return int(advice)
    return min(count, _STEEPEST) ** 4 + 15


def _is_number(value: object) -> TypeGuard[int | float]:
    """An int or a float that can be calculated with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _HUGE


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - code of the application; its error is worth less than the one it hides
        return "(the message of this error could not be read)"
    return text[:MESSAGE_MAX].encode("utf-8", "replace").decode()


def _class_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _backtrace(error: BaseException, wanted: object) -> list[str]:
    """The lines of *error*'s traceback, where it was raised first, as Ruby orders them."""
    if wanted is not True and not (isinstance(wanted, int) and wanted > 0):
        return []
    frames = [
        f"{frame.f_code.co_filename}:{line}:in {frame.f_code.co_qualname}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    lines = [line.encode("utf-8", "replace").decode() for line in reversed(frames)]
    return lines if wanted is True else lines[:wanted]
