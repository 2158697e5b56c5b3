"""What a job's author may say about it, checked when the job is declared."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias

from jobsup.errors import ArgumentError, UnknownOption

RetryIn: TypeAlias = Callable[[int, BaseException, dict[str, Any]], float | Literal["discard", "kill"] | None]
"""Called with the count of failures before this one, the error and the payload.  Returns seconds until the
next attempt, "discard", "kill" (to the dead set), or None for the usual delay."""

RETRY_FOR_MAX = 1_000_000_000
"""Seconds.  Sidekiq's bound: more would be a point in time, mistaken for a duration."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """The options of one job.

    Attributes:
        queue: where it is pushed.
        retry: True for as often as the profile's ``max_retries`` says, a number of retries, 0 for none and
            straight to the dead set, False for none and forgotten.
        dead: whether it goes to the dead set when its retries are used up.
        backtrace: how many lines of the traceback are stored with a failure; True for all.
        timeout: seconds it may use to finish once a stop has begun; None for the profile's.  Not in the
            payload.
        time_limit: seconds it may run before ``TimeLimitExceeded`` is raised in it; None for the profile's.  Not in
            the payload.
        max_interruptions: how often stops may interrupt it before it is buried; None for the profile's.
        retry_for: seconds from the first failure during which it is retried, instead of a number.
        retry_queue: where its retries are pushed.
        tags: shown with the job.
        retry_in: decides the delay of a retry.  Not in the payload.
    """

    queue: str = "default"
    retry: bool | int = True
    dead: bool = True
    backtrace: bool | int = False
    timeout: float | None = None
    time_limit: float | None = None
    max_interruptions: int | None = None
    retry_for: float | None = None
    retry_queue: str | None = None
    tags: tuple[str, ...] = ()
    retry_in: RetryIn | None = None

    def having(self, job: str, given: Mapping[str, Any]) -> JobOptions:
        """These options with those *given* on top; *job* names the job in messages.

        Raises:
            UnknownOption: there is no such option.
            ArgumentError: an option has a value it cannot have.
        """
        changes = dict(given)
        for name, value in given.items():
            refuse_unknown(job, name, _EXPECTED)
            expected, fits = _EXPECTED[name]
            if not fits(value):
                raise ArgumentError(f"{job}: option {name} must be {expected}, not {value!r}")
        if "tags" in changes:
            changes["tags"] = tuple(changes["tags"])
        return replace(self, **changes)

    def to_payload(self) -> dict[str, Any]:
        """What a payload says of them: ``retry`` and ``queue``, and what differs from Sidekiq's defaults."""
        stated: dict[str, Any] = {"retry": self.retry, "queue": self.queue}
        for name in ("dead", "backtrace", "max_interruptions", "retry_for", "retry_queue", "tags"):
            value = getattr(self, name)
            if value != _DEFAULTS[name]:
                stated[name] = list(value) if name == "tags" else value
        return stated


def refuse_unknown(job: str, name: str, known: Iterable[str]) -> None:
    """Raise UnknownOption with the likely meaning, unless *name* is *known*."""
    names = sorted(known)
    if name in names:
        return
    close = sorted(difflib.get_close_matches(name, names, n=3), key=len)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"known: {', '.join(names)}"
    raise UnknownOption(f"{job} has no option {name!r}; {hint}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_duration(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 < value <= RETRY_FOR_MAX


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(tag, str) for tag in value)


_EXPECTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "queue": ("the name of a queue", _is_text),
    "retry": ("True, False or a number of retries", _is_count),
    "dead": ("True or False", lambda value: isinstance(value, bool)),
    "backtrace": ("True, False or a number of lines", _is_count),
    "timeout": ("a number of seconds above 0, or None", lambda value: value is None or _is_duration(value)),
    "time_limit": ("a number of seconds above 0, or None", lambda value: value is None or _is_duration(value)),
    "max_interruptions": ("a number of interruptions, or None", lambda value: value is None or _is_whole(value)),
    "retry_for": (
        "a number of seconds above 0 and below 1,000,000,000, or None",
        lambda value: value is None or _is_duration(value),
    ),
    "retry_queue": ("the name of a queue, or None", lambda value: value is None or _is_text(value)),
    "tags": ("a list of strings", _is_texts),
    "retry_in": (
        "a function of count, error and payload, or None",
        lambda value: value is None or callable(value),
    ),
}
_DEFAULTS = {field.name: field.default for field in fields(JobOptions)}
