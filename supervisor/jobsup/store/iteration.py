"""Where an iterable job stands, in the hash ``it-JID``.

Source of its fields: what Sidekiq 7.3 and 8.1 were seen to write.  ``ex`` counts the runs, ``c`` is the cursor as
JSON, ``rt`` the seconds over all runs, ``cancelled`` when somebody asked to end it, in Unix seconds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import redis

from jobsup import payload
from jobsup.errors import MalformedPayload, MalformedState, RedisRefused
from jobsup.store import keys
from jobsup.store.connection import errors_translated
from jobsup.store.scripts import Run, Settlement

_FIELDS = ("ex", "c", "rt", "cancelled")
_COUNT = re.compile(rb"\d{1,15}")
_SECONDS = re.compile(rb"\d{1,15}(?:\.\d{1,30})?(?:[eE][-+]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class State:
    """Where an iterable job stands.

    Attributes:
        executions: runs that have begun.
        cursor: JSON-native; what makes its enumerator go on at the item it stands at.  None: at the first one.
        runtime: seconds over all runs.
        cancelled_at: when somebody asked to end it, in Unix seconds (0.0 where that cannot be read), or None.
    """

    executions: int = 0
    cursor: Any = None
    runtime: float = 0.0
    cancelled_at: float | None = None


class Kept(IntEnum):
    """What came of keeping a place; the values from 0 are those of ``lua/checkpoint.lua``."""

    UNKNOWN = -1
    """Redis did not answer, or would not: it may be kept or not."""
    NOT_OURS = 0
    """The job runs elsewhere by now, or was done there; nothing was written."""
    SAFE = 1
    CANCELLED = 2
    """It is kept, and somebody asked to end the job."""


def read(client: redis.Redis, jid: str) -> State | None:
    """The state of the job *jid*, or None where there is none.

    Raises:
        MalformedState: what lies there is no such state.
        RedisUnavailable, RedisRefused: Redis does not answer, or not with this.
    """
    try:
        with errors_translated():
            found: Any = client.hmget(keys.iteration(jid), list(_FIELDS))
    except RedisRefused as error:
        if str(error).startswith("WRONGTYPE"):
            raise _malformed(jid, "it is not a hash") from None
        raise
    return None if found == [None] * len(_FIELDS) else _state(jid, *found)


def checkpoint(run: Run, jid: str, state: State, *, identity: str, queue: str, taken: bytes) -> Kept:
    """Keep *state*, if *identity* still holds the payload *taken* from *queue*; ``cancelled_at`` is not written.

    Raises:
        RedisUnavailable, RedisRefused: Redis does not answer, or not with this.
    """
    names: list[Any] = [keys.iteration(jid), keys.inflight(identity, queue)]
    cursor = payload.dumps_value(state.cursor)
    return Kept(run("checkpoint", names, [taken, state.executions, cursor, repr(state.runtime), keys.ITERATION_TTL]))


def completion(queue: str, taken: bytes, jid: str) -> Settlement:
    """The settlement of an iterable job that does not run again: its state goes in the same step."""
    return ("f", queue, taken, keys.iteration(jid))


def cancel(run: Run, jid: str, now: float) -> float:
    """Ask the job *jid* to end.  Returns when it was first asked, in Unix seconds, as *now* is.

    Raises:
        RedisUnavailable, RedisRefused: Redis does not answer, or not with this.
    """
    names: list[Any] = [keys.iteration(jid)]
    return _moment(run("cancel_iteration", names, [int(now), keys.ITERATION_TTL]))


def _state(
    jid: str, executions: bytes | None, cursor: bytes | None, runtime: bytes | None, cancelled: bytes | None
) -> State:
    # A job that was cancelled before its first run has nothing else, and Sidekiq not even the cursor.
    executions = b"0" if executions is None else executions
    if not _COUNT.fullmatch(executions):
        raise _malformed(jid, "ex is not a count")
    runtime = b"0" if runtime is None else runtime
    if not _SECONDS.fullmatch(runtime) or not math.isfinite(float(runtime)):
        raise _malformed(jid, "rt is not a number of seconds")
    try:
        value = None if cursor is None else payload.loads_value(cursor)
    except MalformedPayload as error:
        raise _malformed(jid, f"c is {error}") from None
    return State(int(executions), value, float(runtime), None if cancelled is None else _moment(cancelled))


def _moment(text: bytes) -> float:
    return payload.read_stamp(text.decode("ascii", "replace"))


def _malformed(jid: str, reason: str) -> MalformedState:
    return MalformedState(
        f"The state of this iterable job in Redis cannot be read: {reason}; "
        f"delete the key it-{jid[:100]} to let it start from its first item"
    )
