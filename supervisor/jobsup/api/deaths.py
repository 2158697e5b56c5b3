"""Workers that ended unasked or had to be killed, with how and why."""

from __future__ import annotations

from dataclasses import dataclass

from jobsup.store import deaths
from jobsup.store.reading import Redis


@dataclass(frozen=True, slots=True)
class Death:
    """One worker's end, as its parent saw it.

    Attributes:
        at: Unix seconds.
        host: where it ran.
        child: ``Worker`` and the name of its pool.
        verdict: how it ended, why as far as it is known, and what it ran; one sentence.
        stacks: what it wrote of its threads as it died, or "".
    """

    at: float
    host: str
    child: str
    pid: int
    verdict: str
    stacks: str


def last_deaths(client: Redis) -> list[Death]:
    """The last hundred of all hosts, newest first."""
    found = []
    for death in deaths.latest(client):
        at, pid = death.get("at"), death.get("pid")
        host, child, verdict, stacks = (str(death.get(name) or "") for name in ("host", "child", "verdict", "stacks"))
        if isinstance(at, int | float) and isinstance(pid, int):
            found.append(Death(float(at), host, child, pid, verdict, stacks))
    return found
