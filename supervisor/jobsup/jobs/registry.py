"""Which jobs exist: the only names that a payload can make a worker run."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobsup.errors import ArgumentError, UnknownJob
from jobsup.jobs.options import JobOptions


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """A declared job.

    Attributes:
        name: its name on the wire, the payload's ``class``.
        run: performs the job of one payload, here and now, and returns its result.
        origin: module and qualified name of what declares it.
    """

    name: str
    options: JobOptions
    run: Callable[[dict[str, Any]], Any]
    origin: str = ""


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

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._definitions)


default = Registry()
"""Where ``Job`` and ``@job`` declare."""
