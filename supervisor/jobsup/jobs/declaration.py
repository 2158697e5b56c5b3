"""What classes and functions share when they become jobs."""

import inspect
from collections.abc import Callable
from typing import Any

from jobsup.errors import ArgumentError
from jobsup.jobs import registry
from jobsup.jobs.options import JobOptions
from jobsup.jobs.progress import Progress
from jobsup.jobs.registry import JobDefinition

_NOT_IN_NAMES = frozenset("|/$")
"""Sidekiq splits its metrics at ``|`` and puts names into addresses."""


def declare(
    name: str,
    options: JobOptions,
    perform: Callable[..., Any],
    run: Callable[[dict[str, Any]], Any],
    origin: str,
    resume: Callable[[dict[str, Any], Progress], Any] | None = None,
) -> JobDefinition:
    """Put a job into the default registry.  *perform* is the application's code, which *run* (or *resume*) calls.

    Raises:
        ArgumentError: the name cannot be used or is taken, or *perform* would not run when it is called.
    """
    if not isinstance(name, str) or not name or _NOT_IN_NAMES & set(name):
        raise ArgumentError(f"{origin}: the name of a job must be text without | / $, not {name!r}")
    if inspect.isgeneratorfunction(perform) or inspect.isasyncgenfunction(perform):
        raise ArgumentError(f"{origin} is a generator: calling it would run nothing; write a def without yield")
    is_async = inspect.iscoroutinefunction(perform)
    if is_async and resume is not None:
        raise ArgumentError(f"{origin}.{perform.__name__} is async, but items are done in a thread; write a plain def")
    definition = JobDefinition(name, options, run, origin, resume, is_async)
    registry.default.declare(definition)
    return definition


def arguments(payload: dict[str, Any]) -> list[Any]:
    """What to call the job with; Sidekiq takes missing and null arguments as none."""
    return payload.get("args") or []
