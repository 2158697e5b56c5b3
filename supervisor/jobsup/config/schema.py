"""The keys of a profile: how each is read, its default, whether it may be shown."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobsup.config import address
from jobsup.config.problem import shown
from jobsup.config.queues import queues
from jobsup.config.redis_url import fault

Reader = Callable[[Any], Any]
"""Turns a value of the file into ours, or raises ValueError with words that follow the key's name."""

# ruff: noqa: TRY004 (a wrong type in a file is a wrong value to its reader)

_MOST = 1_000_000_000
"""Upper bound of every number: far above any use, far below what overflows a clock or a timer."""

_LEAST_MEMORY = 16 << 20


def whole(least: int, most: int = _MOST) -> Reader:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            above = f" and at most {most}" if isinstance(value, int) and value > most else ""
            raise ValueError(f"must be a whole number of at least {least}{above}, is {shown(value)}")
        return value

    return read


def seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST:
        raise ValueError(f"must be a number of seconds above 0, is {shown(value)}")
    return float(value)


def size(value: Any) -> int:
    """Bytes; ``K``, ``M``, ``G`` and ``T`` are powers of 1024, as for systemd."""
    parts = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)(?:([KMGT])(?:i?B)?)?", str(value).strip())
    if parts is None or isinstance(value, bool):
        raise ValueError(f"must be a size such as 512M or 1.5G, is {shown(value)}")
    number, unit = parts.groups()
    read = int(float(number) * 1024 ** " KMGT".index(unit or " "))
    if read < _LEAST_MEMORY:
        raise ValueError(f"must be at least {_LEAST_MEMORY >> 20}M, less than a worker needs, is {shown(value)}")
    return read


def processes(value: Any) -> int | str:
    if value == "auto":
        return "auto"
    try:
        count: int = whole(1)(value)
    except ValueError as error:
        raise ValueError(str(error).replace("must be", "must be auto or")) from None
    return count


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, is {shown(value)}")
    return value


def text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"must be a text, is {shown(value)}")
    return str(value)


def texts(value: Any) -> tuple[str, ...]:
    return tuple(text(item) for item in (value if isinstance(value, list) else [value]))


def name(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", read := text(value)):
        raise ValueError(f"must be 1 to 64 letters, digits, '_', '.' or '-', is {shown(value)}")
    return read


def required(value: Any) -> tuple[str, ...]:
    for item in (read := texts(value)):
        if not is_path(item) and not all(part.isidentifier() for part in item.split(".")):
            raise ValueError(f"must name modules (app.jobs) or paths (app/jobs.py), is {shown(item)}")
    return read


def is_path(requirement: str) -> bool:
    """Whether a ``require`` names a file or a directory rather than a module."""
    return "/" in requirement or requirement.endswith(".py") or requirement in {".", ".."}


def variables(value: Any) -> dict[str, str]:
    # The message never shows a value: this is where people put secrets.
    if not isinstance(value, dict):
        raise ValueError("must be a mapping of names to strings")
    for key, item in value.items():
        if not isinstance(key, str) or not key or "=" in key or "\0" in key:
            raise ValueError(f"must have variable names as keys, has {shown(key)}")
        if not isinstance(item, str) or "\0" in item:
            raise ValueError(f"must hold strings; put quotes around the value of {key}")
    return dict(value)


def wire(value: Any) -> int:
    if isinstance(value, bool) or value not in (6, 7, 8):
        raise ValueError(f"must be 6, 7 or 8 (a generation of Sidekiq), is {shown(value)}")
    return int(value)


def redis_url(value: Any) -> str:
    """Without the value in any message: it may hold a password."""
    if wrong := fault(value if isinstance(value, str) else ""):
        raise ValueError(wrong)
    return str(value)


def listening(value: Any) -> str:
    try:
        address.parse(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"must be an IP address and a port (127.0.0.1:7433, [::]:7433), is {shown(value)}") from None
    return str(value)


def capsules(value: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(inner, dict | None) for inner in value.values()):
        raise ValueError("must be a mapping of names to {queues, concurrency}")
    return {name(capsule): _capsule(capsule, inner or {}) for capsule, inner in value.items()}


def _capsule(capsule: str, given: dict[str, Any]) -> dict[str, Any]:
    read = {}
    for key, spec in CAPSULE_KEYS.items():
        if given.get(key) is not None:
            try:
                read[key] = spec.read(given[key])
            except ValueError as wrong:
                raise ValueError(f"has in {capsule!r} wrong {key}: it {wrong}") from None
    return read


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a profile.  *default* is read as if it stood in the file; None: see ``load``."""

    read: Reader
    default: Any = None
    secret: bool = False


CAPSULE_KEYS = {"concurrency": Key(whole(1)), "queues": Key(queues)}

KEYS: dict[str, Key] = {
    "name": Key(name),
    "processes": Key(processes, 1),
    "concurrency": Key(whole(1), 5),
    "queues": Key(queues, ["default"]),
    "capsules": Key(capsules),
    "require": Key(required, []),
    "preload": Key(boolean, True),
    "redis": Key(redis_url, secret=True),
    "redis_file": Key(text),
    "env": Key(variables, {}, secret=True),
    "timeout": Key(seconds, 25),
    "max_timeout": Key(seconds),
    "kill_after": Key(seconds, 5),
    "boot_timeout": Key(seconds, 60),
    "drain": Key(seconds),
    "surge": Key(whole(1), 1),
    "canary_jobs": Key(whole(0), 1),
    "canary_seconds": Key(seconds, 5),
    "max_memory": Key(size),
    "kill_memory": Key(size),
    "max_jobs": Key(whole(1)),
    "max_lifetime": Key(seconds),
    "max_generations": Key(whole(2), 3),
    "quarantine": Key(name),
    "labels": Key(texts, []),
    "tag": Key(text),
    "version": Key(text),
    "max_retries": Key(whole(0), 25),
    "max_payload_bytes": Key(whole(1024), 16_777_216),
    "max_payload_depth": Key(whole(3, 250), 100),
    "max_payload_elements": Key(whole(100), 1_000_000),
    "time_limit": Key(seconds),
    "max_interruptions": Key(whole(0)),
    "dead_max_jobs": Key(whole(1), 10_000),
    "dead_timeout_in_seconds": Key(seconds, 15_552_000),
    "average_scheduled_poll_interval": Key(seconds, 5),
    "wire": Key(wire, 8),
    "health": Key(listening),
    "verbose": Key(boolean, False),
}

SIDEKIQ_ONLY = frozenset(
    """backtrace daemon dynamic environment health_check index limits logfile logged_job_attributes
    max_iteration_runtime pidfile poll_interval_average process_limits redis_idle_timeout schedule scheduler
    skip_default_job_logging strict""".split()  # noqa: SIM905 (a list of names reads better as words)
)
"""Keys that Sidekiq or its well-known plugins read and jobsup does not: never taken for a typing error."""

MEANT = {"redis_url": "redis", "threads": "concurrency", "workers": "processes"}
"""What people write who come from elsewhere."""
