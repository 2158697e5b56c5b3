"""Sidekiq's ways to write queues: ``name``, ``[name, weight]``, ``"name,weight"``."""

import re
from typing import Any

_USUAL = re.compile(r"[A-Za-z0-9_.:-]+")


def queue(given: Any) -> tuple[str, int]:
    """One entry as name and weight; 0 when no weight is given (strict order).

    Raises:
        ValueError: in words that follow "queues".
    """
    match given:
        case str():
            name, comma, weight = given.partition(",")
            return _name(name), _weight(weight.strip()) if comma else 0
        case [name, weight]:
            return _name(name), _weight(weight)
        case [name]:
            return _name(name), 0
        case int() if not isinstance(given, bool):
            return str(given), 0
        case _:
            raise ValueError('must hold names, [name, weight] or "name,weight"')


def queues(given: Any) -> tuple[tuple[str, int], ...]:
    """A whole list, in its order; a name given twice counts once, with its last weight.

    An empty list is ``default``, as in Sidekiq.

    Raises:
        ValueError: in words that follow "queues".
    """
    entries = given if isinstance(given, list) else [given]
    return tuple(dict(queue(entry) for entry in entries).items()) or (("default", 0),)


def unusual(name: str) -> bool:
    """Whether *name* would be trouble in Sidekiq's Web UI or in a shell."""
    return not _USUAL.fullmatch(name)


def _name(given: Any) -> str:
    name = str(given).strip() if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if not name:
        raise ValueError("holds an empty name")
    return name


def _weight(given: Any) -> int:
    try:
        weight = int(given) if isinstance(given, str | int) and not isinstance(given, bool) else -1
    except ValueError:
        weight = -1
    if not 0 <= weight <= 1000:
        raise ValueError("holds a weight that is not a whole number from 0 to 1000")
    return weight
