"""The life of one worker as its parent sees it: every stage and event, and what comes next.

```
SPAWNING → BOOTING → READY → QUIET → DRAINING → KILLED → REAPED
```

A worker only ever moves to the right.  That alone makes stop requests idempotent: asking twice is asking
once, and nothing that a worker says can bring it back.
"""

from enum import IntEnum, auto


class Stage(IntEnum):
    SPAWNING = auto()
    """Asked for; the template has not named its process yet."""
    BOOTING = auto()
    """A process of ours that does not fetch yet."""
    READY = auto()
    """Fetches and runs jobs."""
    QUIET = auto()
    """Was asked to fetch no more; finishes what it has."""
    DRAINING = auto()
    """Leaves when its jobs are done, at its deadline at the latest."""
    KILLED = auto()
    """SIGKILL was sent, or will be as soon as the process is named."""
    REAPED = auto()
    """There is no process any more, or never was one."""


class Event(IntEnum):
    SPAWNED = auto()
    """The template named the process."""
    BOOTED = auto()
    """The worker said ``ready``.  It may overtake SPAWNED, which comes over another link."""
    QUIETED = auto()
    """We asked it to be quiet."""
    LEAVING = auto()
    """We asked it to drain, or it said that it does so by itself (the Stop button of Sidekiq's Web)."""
    KILL = auto()
    """We killed it."""
    ENDED = auto()
    """It was reaped, or the template could not make it."""


S, E = Stage, Event

_MOVES: dict[Event, dict[Stage, Stage]] = {
    E.SPAWNED: {S.SPAWNING: S.BOOTING},
    E.BOOTED: {S.SPAWNING: S.READY, S.BOOTING: S.READY},
    # One that boots is not made quiet: it is asked once it is READY, when it can be seen to obey.
    E.QUIETED: {S.READY: S.QUIET},
    E.LEAVING: dict.fromkeys((S.SPAWNING, S.BOOTING, S.READY, S.QUIET), S.DRAINING),
    E.KILL: {stage: S.KILLED for stage in Stage if stage < S.KILLED},
    E.ENDED: {stage: S.REAPED for stage in Stage if stage < S.REAPED},
}

TABLE: dict[tuple[Stage, Event], Stage] = {
    (stage, event): _MOVES[event].get(stage, stage) for stage in Stage for event in Event
}
"""What is not a move changes nothing: late, repeated and crossing messages are normal."""


def after(stage: Stage, event: Event) -> Stage:
    """The stage that follows *stage* when *event* happens."""
    return TABLE[stage, event]
