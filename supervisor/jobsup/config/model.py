"""The resolved configuration: frozen, typed, the same in every process.

It travels as JSON from the command that checked it to the parent, and from there to templates, workers
and the keeper, always over a private file descriptor: it may hold a Redis password.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

Mode = Literal["strict", "random", "weighted"]
Wire = Literal[6, 7, 8]


QUARANTINE = ".quarantine"
"""Ends the names of quarantines.  The queue ``mail.quarantine`` holds jobs of ``mail`` that were running when their
worker crashed; the pool ``app.quarantine`` runs those of the profile ``app``, each in a process of its own."""


def masked(url: str) -> str:
    """*url* as it may be shown: without a password, and without the query, which may hold one too."""
    try:
        parts = urlsplit(url.partition("?")[0])
    except ValueError:
        return "***"  # no URL, so nothing says which part is the secret
    if parts.password is None:
        return url.partition("?")[0]
    netloc = f"{parts.username or ''}:***@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc))


@dataclass(frozen=True, slots=True)
class Capsule:
    """A set of queues with threads of its own.

    Attributes:
        queues: name and weight, in the order of the file.  Weight 0 everywhere is strict order.
    """

    name: str
    concurrency: int
    queues: tuple[tuple[str, int], ...]

    @property
    def mode(self) -> Mode:
        """Sidekiq's rule: all 0 is strict, all 1 is random, anything else is weighted."""
        weights = {weight for _, weight in self.queues}
        if weights == {0}:
            return "strict"
        return "random" if weights == {1} else "weighted"


@dataclass(frozen=True, slots=True)
class Profile:
    """One ``-C`` file: what a pool runs and how.  All times in seconds."""

    name: str
    processes: int
    capsules: tuple[Capsule, ...]
    require: tuple[str, ...] = ()
    preload: bool = True
    env: dict[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 25.0
    max_timeout: float = 25.0
    kill_after: float = 5.0
    boot_timeout: float = 60.0
    drain: float = 0.0
    """What a reload gives to jobs at least; a stop gives them ``timeout``, and ends what is left of this."""
    surge: int = 1
    """Workers above its size that the pool may have while a reload replaces them."""
    canary_jobs: int = 1
    """How many jobs the first worker of a new generation must finish before the others follow; 0: none."""
    canary_seconds: float = 5.0
    """For how long it is waited for those jobs: the queues may be empty."""
    max_memory: int | None = None
    """Bytes of its own that a worker may hold before it is replaced, its share of what it shares included."""
    kill_memory: int | None = None
    """Bytes at which it is killed instead."""
    max_jobs: int | None = None
    """Jobs after which a worker is replaced."""
    max_lifetime: float | None = None
    """Seconds after which a worker is replaced."""
    max_generations: int = 3
    """How many generations of workers there may be before the oldest has to leave as in a stop."""
    labels: tuple[str, ...] = ()
    tag: str = ""
    version: str = ""
    """Of the application, as its deploys name it; "": none."""
    max_retries: int = 25
    max_payload_bytes: int = 16_777_216
    max_payload_depth: int = 100
    max_payload_elements: int = 1_000_000
    time_limit: float | None = None
    max_interruptions: int | None = None
    dead_max_jobs: int = 10_000
    dead_timeout_in_seconds: float = 15_552_000.0
    average_scheduled_poll_interval: float = 5.0
    wire: Wire = 8
    quarantine: str = ""
    """The profile under which its suspects run again; "": its own."""
    isolated: bool = False
    """It runs suspects: one at a time, and its workers leave when there is none."""
    path: str | None = None

    @property
    def concurrency(self) -> int:
        """Threads over all capsules."""
        return sum(capsule.concurrency for capsule in self.capsules)

    @property
    def queues(self) -> tuple[str, ...]:
        """Every queue once, in the order of the file."""
        return tuple(dict.fromkeys(name for c in self.capsules for name, _ in c.queues))

    def suspects(self, under: Profile) -> Profile:
        """The profile that runs again what was running when a worker of this one crashed, set up like *under*."""
        queues = tuple((name + QUARANTINE, 0) for name in self.queues)
        return replace(under, name=self.name + QUARANTINE, capsules=(Capsule("default", 1, queues),), isolated=True)


@dataclass(frozen=True, slots=True)
class Config:
    """What one supervisor runs."""

    profiles: tuple[Profile, ...]
    redis_url: str
    environment: str = "development"
    log_format: Literal["text", "json"] = "text"
    verbose: bool = False
    ctl: str = ""
    grace: float | None = None
    """Seconds between the platform's TERM and its KILL; None: not known."""
    health: str = ""
    """Where the probes are answered, as ``config.address`` reads it; "": nowhere."""
    embedded: str | None = None
    """The state directory of the embedded server; None: no embedded server."""

    def __repr__(self) -> str:
        return f"Config({[p.name for p in self.profiles]}, redis_url={masked(self.redis_url)!r})"

    def quarantine(self, profile: Profile) -> Profile:
        """The profile that runs the suspects of *profile*."""
        names = {other.name: other for other in self.profiles}
        return profile.suspects(names.get(profile.quarantine, profile))

    def profile(self, name: str) -> Profile:
        """The profile of the pool called *name*, which may be a quarantine.

        Raises:
            KeyError: there is none.
        """
        for profile in self.profiles:
            if name == profile.name:
                return profile
            if name == profile.name + QUARANTINE:
                return self.quarantine(profile)
        raise KeyError(name)

    def dump(self) -> dict[str, Any]:
        """As JSON-native values; ``Config.load`` reads them back."""
        return asdict(self)

    @classmethod
    def load(cls, data: dict[str, Any]) -> Config:
        profiles = tuple(
            Profile(
                **{
                    **profile,
                    "capsules": tuple(
                        Capsule(c["name"], c["concurrency"], tuple((n, w) for n, w in c["queues"]))
                        for c in profile["capsules"]
                    ),
                    "require": tuple(profile["require"]),
                    "labels": tuple(profile["labels"]),
                }
            )
            for profile in data["profiles"]
        )
        return cls(**{**data, "profiles": profiles})


def hostname() -> str:
    """The host part of an identity: ``$DYNO`` as in Sidekiq, else the system's; never with a colon."""
    return (os.environ.get("DYNO") or os.uname().nodename).replace(":", "-")
