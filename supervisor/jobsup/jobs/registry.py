"""Which jobs exist: the only names that a payload can make a worker run."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from jobsup.errors import ArgumentError, UnknownJob
from jobsup.jobs.options import JobOptions
from jobsup.jobs.progress import Progress


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """A declared job.

    Attributes:
        name: its name on the wire, the payload's ``class``.
        run: performs the job of one payload, here and now, and returns its result.
        origin: module and qualified name of what declares it.
        resume: of an iterable job: performs it from where it stands, and keeps its place.
        is_async: it is an ``async def``: *run* returns what an event loop is to await.
    """

    name: str
    options: JobOptions
    run: Callable[[dict[str, Any]], Any]
    origin: str = ""
    resume: Callable[[dict[str, Any], Progress], Any] | None = None
    is_async: bool = False

    def keeping(self, progress: Progress) -> JobDefinition:
        """An iterable job that goes on from, and keeps, the place that *progress* knows."""
        resume = self.resume
        return self if resume is None else replace(self, run=lambda payload: resume(payload, progress))


class Registry:
    """Declared jobs by name."""

    def __init__(self) -> None:
        self._definitions: dict[str, JobDefinition] = {}

    def declare(self, definition: JobDefinition) -> None:
        """Add *definition*.  The same place may declare again: a module that is reloaded does.

        Raises:
            ArgumentError: another place has declared a job of this name.
        """
        known = self._definitions.get(definition.name)
        if known and known.origin != definition.origin:
            raise ArgumentError(
                f"two jobs are named {definition.name!r}: {known.origin} and {definition.origin}; "
                'give one of them another name with name="…"'
            )
        self._definitions[definition.name] = definition

    def lookup(self, name: str) -> JobDefinition:
        """The job called *name*.

        Raises:
            UnknownJob: nothing that was imported declares it; the message names what is close.
        """
        try:
            return self._definitions[name]
        except KeyError:
            pass
        close = difflib.get_close_matches(name[:200], self._definitions, n=3)
        hint = f"close: {', '.join(close)}" if close else "require the module that declares it"
        raise UnknownJob(f"no job named {name[:200]!r} is declared; {hint}")

    @property
    def has_async(self) -> bool:
        """Whether any job is an ``async def``."""
        return any(definition.is_async for definition in self._definitions.values())

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._definitions)


default = Registry()
"""Where ``Job`` and ``@job`` declare."""
