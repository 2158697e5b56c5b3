"""The Lua scripts, each with one typed door.  What a script does and why stands in its file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeAlias

import redis

from jobsup.store import interruptions, keys
from jobsup.store.connection import errors_translated

Run: TypeAlias = Callable[[str, list[str], list[Any]], Any]
"""Runs a script by name with keys and arguments: ``Channel.script``, or ``runner(client)``."""


@dataclass(frozen=True, slots=True)
class Script:
    source: str
    sha: str


@cache
def script(name: str) -> Script:
    source = files("jobsup.store.lua").joinpath(f"{name}.lua").read_text()
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def load() -> None:
    """Read all of them now: before a fork, once for all that are forked."""
    for file in files("jobsup.store.lua").iterdir():
        if file.name.endswith(".lua"):
            script(file.name.removesuffix(".lua"))


def runner(client: redis.Redis) -> Run:
    """Run scripts through a pooled client: for processes that wait for one thing at a time."""

    def run(name: str, names: list[str], args: list[Any]) -> Any:
        found = script(name)
        with errors_translated():
            try:
                return client.evalsha(found.sha, len(names), *names, *args)
            except redis.exceptions.NoScriptError:
                return client.eval(found.source, len(names), *names, *args)

    return run


Settlement: TypeAlias = tuple[Any, ...]
"""The arguments of one settlement, as ``lua/turn.lua`` reads them: action, queue, payload as taken, ..."""


def interruption(queue: str, taken: bytes, jid: str, most: int, dead: tuple[Any, ...]) -> Settlement:
    """The settlement of a job that a stop interrupted: given back up to *most* times, then buried.

    *dead* is what ``lua/turn.lua`` needs for the dead set: score, payload, since, rank.
    """
    return ("i", queue, taken, interruptions.counter(jid), most, keys.INTERRUPTIONS_TTL, *dead)


class Turn(NamedTuple):
    """What one turn did.

    Attributes:
        ours: per settlement, whether the job was still ours.
        worn: per settlement, whether it was, and is not given back because it had been interrupted too often.
        broken: queues whose key is not a list.
        taken: (queue, payload) of every job taken, oldest first within a queue.
    """

    ours: list[bool]
    worn: list[bool]
    broken: list[str]
    taken: list[tuple[str, bytes]]


def turn(
    run: Run,
    identity: str,
    settlements: Sequence[Settlement],
    shares: Sequence[tuple[str, int]],
    fallbacks: Sequence[str],
    wanted: int,
) -> Turn:
    """Settle and take in one step.

    Raises:
        Fenced: *identity* was given up; nothing happened.
    """
    args: list[Any] = [identity, len(settlements), len(shares), len(fallbacks), wanted]
    for settlement in settlements:
        args += settlement
    for share in shares:
        args += share
    args += fallbacks
    flags, broken, *batches = run("turn", [keys.LEASES], args)
    taken = []
    for name, *payloads in batches:
        queue = name.decode()
        taken += [(queue, payload) for payload in payloads]
    return Turn(
        [flag != 48 for flag in flags], [flag == 50 for flag in flags], [name.decode() for name in broken], taken
    )


def register(run: Run, identity: str, *, lease: int, queues: str, place: str, pid: int, start: str) -> None:
    """Let *identity* own in-flight lists for *lease* seconds; *queues* is a JSON list."""
    names = [keys.LEASES, keys.SWEPT, keys.owner(identity)]
    run("register", names, [identity, lease, queues, place, pid, start])


def beat(
    run: Run,
    identity: str,
    *,
    lease: int,
    wire: int,
    date: str,
    processed: int,
    failed: int,
    work: dict[str, bytes],
    record: dict[str, Any],
) -> str | None:
    """Renew the lease and publish what the process does.  Returns a signal that was asked for, or None.

    Raises:
        Fenced: *identity* was given up; nothing happened.
    """
    names = [
        *(keys.LEASES, keys.PROCESSES, identity, keys.work(identity, wire), keys.signals(identity)),
        *(keys.PROCESSED, keys.day(keys.PROCESSED, date), keys.FAILED, keys.day(keys.FAILED, date)),
    ]
    args: list[Any] = [identity, lease, processed, failed, keys.STAT_TTL, keys.RECORD_TTL, len(work)]
    for entry in (*work.items(), *record.items()):
        args += entry
    signal = run("beat", names, args)
    return None if signal is None else bytes(signal).decode("utf-8", "replace")


LEASE = 15
"""Seconds for which an identity is taken to be alive after its last confirmed beat, by the server's clock."""


def vouch(run: Run, identities: Sequence[str]) -> None:
    """Renew the leases of *identities*, as far as they hold one: somebody knows that they live."""
    run("vouch", [keys.LEASES], [LEASE, *identities])


def leave(run: Run, identity: str, *, wire: int, queues: Sequence[str]) -> int:
    """Deregister.  Returns how many jobs still lie in its in-flight lists."""
    names = [keys.LEASES, keys.SWEPT, keys.owner(identity), keys.PROCESSES, keys.work(identity, wire)]
    return int(run("leave", names, [identity, *queues]))


REMEMBERED = 600
"""Seconds an identity is remembered after it was given up."""
_LOOK_AGAIN = 30
"""Seconds after a sweep in which something may still arrive: well beyond the wait of any blocking move."""


Decided: TypeAlias = tuple[Any, ...]
"""What is to happen with one job, as ``lua/give_back.lua`` reads it: action, queue, payload as taken, ..."""


def give_back(
    run: Run,
    identity: str,
    *,
    only_if_expired: bool = False,
    remember: int = REMEMBERED,
    decided: Sequence[Decided] = (),
) -> int | None:
    """Return what *identity* holds to its queues, but for what is *decided* otherwise.

    Returns how many jobs it no longer holds.  None: its lease has not run out, nothing was done.
    """
    names = [keys.LEASES, keys.SWEPT, keys.owner(identity), keys.QUEUES, keys.PROCESSES]
    args: list[Any] = [identity, int(only_if_expired), remember]
    for job in decided:
        args += job
    moved = int(run("give_back", names, args))
    return None if moved < 0 else moved


def expired(run: Run, limit: int = 100, *, remember: int = REMEMBERED) -> tuple[list[str], list[str]]:
    """Identities whose lease has run out, and identities that were given up just now or *remember* seconds ago."""
    late, swept = run("expired", [keys.LEASES, keys.SWEPT], [limit, _LOOK_AGAIN, remember])
    return [name.decode() for name in late], [name.decode() for name in swept]


def lead(run: Run, name: str, seconds: float, *, dead: str = "") -> str:
    """Hold the lead as *name* for *seconds*, or give it up with 0.0; *dead* may be taken it from.

    Returns who holds it now, "" for nobody.
    """
    holder = run("lead", [keys.SCHEDULER], [name, int(seconds * 1000), dead])
    return bytes(holder).decode("utf-8", "replace")


def enqueue_due(run: Run, source: str, now: float, jobs: Sequence[tuple[bytes, str, bytes]]) -> int:
    """Move due jobs (member, queue or "", payload to push) out of the sorted set *source*."""
    args: list[Any] = [repr(now)]
    for job in jobs:
        args += job
    return int(run("enqueue_due", [source, keys.QUEUES, keys.DEAD], args))
