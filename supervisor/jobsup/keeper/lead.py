"""Which of all keepers moves what is due."""

from __future__ import annotations

from collections.abc import Callable

from jobsup.clock import boottime
from jobsup.store import scripts
from jobsup.store.connection import Client
from jobsup.unix import place

LEASE = 8.0
"""Seconds after which another may take the lead of one who is not heard of."""
_RENEW = 2.5
"""Seconds after which it is asked for again: two answers may be lost."""


class Lead:
    """A lease in Redis.  It saves work and is no lock: moving a job twice is prevented where it is moved.

    A supervisor holds it, not one of its keepers, so that a keeper's successor goes on at once.  On the same host a
    holder can be proved dead, and is not waited for.

    Args:
        pid: of the supervisor.
    """

    def __init__(self, client: Client, pid: int, *, now: Callable[[], float] = boottime) -> None:
        self._run = scripts.runner(client)
        self._now = now
        self._name = _name(pid)
        self._until = 0.0

    def held(self) -> bool:
        """Whether it is ours; asks only when that is not known for long enough."""
        now = self._now()
        if now < self._until - LEASE + _RENEW:
            return True
        holder = scripts.lead(self._run, self._name, LEASE)
        if holder != self._name and _dead(holder):
            holder = scripts.lead(self._run, self._name, LEASE, dead=holder)
        self._until = now + LEASE if holder == self._name else 0.0
        return self._until > now

    def release(self) -> None:
        """Let another have it now."""
        if self._until:
            self._until = 0.0
            scripts.lead(self._run, self._name, 0.0)


def _name(pid: int) -> str:
    try:
        return f"{place.here()} {pid} {place.start_of(pid)}"
    except OSError:  # without a descriptor nobody can tell; then it is only waited for
        return f"{place.here()} {pid} ?"


def _dead(holder: str) -> bool:
    where, _, started = holder.partition(" ")
    pid, _, start = started.partition(" ")
    try:
        return bool(where) and where == place.here() and start != "?" and place.start_of(int(pid)) != start
    except (OSError, ValueError):
        return False
