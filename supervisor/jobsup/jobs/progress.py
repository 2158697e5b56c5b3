"""Where an iterable job stands while it runs: what it asks of whoever runs it."""

from __future__ import annotations

from typing import Protocol

from jobsup.store.iteration import Kept, State


class Progress(Protocol):
    """The place of one run of an iterable job, kept for the next."""

    def stopping(self) -> bool:
        """Whether the process is stopping, so that the job is to stop before its next item."""

    def load(self) -> State:
        """Where the job stands.

        Raises:
            MalformedState: nobody can tell.
            RedisRefused: Redis would not say.
            Paused: Redis did not answer, so it cannot begin here and now.
        """

    def save(self, state: State) -> Kept:
        """Keep where it stands now.  Never raises what Redis' absence raises."""


class Inline:
    """Of a job that runs where it was asked for: from the first item to the last, and no place is kept."""

    def stopping(self) -> bool:
        return False

    def load(self) -> State:
        return State()

    def save(self, state: State) -> Kept:
        return Kept.SAFE
