"""One thing that is wrong with a configuration."""

import math
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """An ``error`` stops the start; a ``warning`` is said and passed over.

    Attributes:
        where: a file and line, a flag or a variable; empty when it belongs to no single place.
        message: what is wrong and what to do, without secrets.
    """

    level: Literal["error", "warning"]
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


def shown(value: Any) -> str:
    """*value* as a message quotes it: what stands in a file may be as long as the file."""
    text = repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "not finite"
    return text if len(text) <= 60 else text[:57] + "..."


def error(where: str, message: str) -> Problem:
    return Problem("error", where, message)


def warning(where: str, message: str) -> Problem:
    return Problem("warning", where, message)
