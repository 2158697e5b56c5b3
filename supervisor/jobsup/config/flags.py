"""What the command line asked for: the strongest layer of the configuration."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Flags:
    """One command line.  ``None`` or empty: the flag was not given.

    Attributes:
        processes: ``(profile name or None for all, count)``; the count is a whole number or ``"auto"``.
        embedded: a state directory, ``""`` for the usual one.
    """

    config: tuple[str, ...] = ()
    concurrency: int | None = None
    queue: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    timeout: float | None = None
    environment: str | None = None
    tag: str | None = None
    verbose: bool = False
    processes: tuple[tuple[str | None, int | str], ...] = ()
    redis: str | None = None
    embedded: str | None = None
    log_format: Literal["text", "json"] = "text"
    ctl: str | None = None
    health: str | None = None
