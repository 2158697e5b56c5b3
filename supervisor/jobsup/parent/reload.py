"""A reload, from the request to the last old worker's goodbye, or back to where it began.

1. RESOLVING  a throw-away process reads and checks the configuration that is on disk now
2. LOADING    the next generation's templates import the code that is on disk now
3. SWITCHING  slot by slot a new worker becomes READY, then an old one drains
4. DONE, or FAILED with a reason: in every step the old generation can go on

Nothing of the old generation is touched before SWITCHING, and its templates stay until DONE.
"""

from collections.abc import Callable
from enum import Enum

from jobsup import clock
from jobsup.clock import FOREVER
from jobsup.config.model import Config
from jobsup.config.redis_url import server
from jobsup.parent.generation import Generation
from jobsup.parent.loop import Context
from jobsup.parent.resolver import Resolver
from jobsup.typedefs import JSON


class Step(Enum):
    RESOLVING = "resolving"
    LOADING = "loading"
    SWITCHING = "switching"
    DONE = "done"
    FAILED = "failed"


class Reloader:
    """The reload that runs, or the last one.  There is never more than one; asked for meanwhile, another follows.

    1. request    begin, now or after the one that runs: what is on disk may have changed since that one began
    2. tick       next step when the one before is done
    3. fail       back to the old generation, from any step
    4. give_up    the same, and none follows

    ``switch(generation)`` is called to make a generation the one that the pools are to have; ``settled()``
    tells whether they have it.
    """

    def __init__(
        self,
        context: Context,
        *,
        make: Callable[[int, Config], Generation],
        switch: Callable[[Generation], None],
        settled: Callable[[], bool],
        first: Generation,
    ) -> None:
        self._context = context
        self._make = make
        self._switch = switch
        self._settled = settled
        self.current = first
        """The generation that has proved itself: what a failure goes back to."""
        self.next: Generation | None = None
        self._retired: list[Generation] = []
        self._resolver: Resolver | None = None
        self._number = first.number
        self._next_argv: list[str] | None = None
        self._begun = 0.0
        self._step = Step.DONE
        self._reason = ""

    @property
    def active(self) -> bool:
        return self._step not in (Step.DONE, Step.FAILED)

    @property
    def switching(self) -> bool:
        return self._step is Step.SWITCHING

    @property
    def generations(self) -> list[Generation]:
        """All that have, or may get, a process."""
        return [self.current, *([self.next] if self.next else []), *self._retired]

    @property
    def deadline(self) -> float:
        resolver = self._resolver.deadline if self._resolver else FOREVER
        return min(resolver, *(generation.deadline for generation in self.generations))

    @property
    def pids(self) -> set[int]:
        helpers = {t.pid for generation in self.generations for t in generation.templates}
        return helpers | ({self._resolver.pid} if self._resolver else set())

    def status(self) -> dict[str, JSON]:
        asked_for = self._number + (self._next_argv is not None)
        return {"generation": self._number, "state": self._step.value, "reason": self._reason, "asked_for": asked_for}

    def request(self, argv: list[str]) -> None:
        if self.active:
            self._next_argv = argv
            return
        self._next_argv = None
        self._number += 1
        self._begun, self._step, self._reason = clock.monotonic(), Step.RESOLVING, ""
        self._context.events.emit("reload.begun", generation=self._number)
        try:
            self._resolver = Resolver(self._context, argv, self._resolved)
        except OSError as error:
            self.fail(f"no process to read the configuration: {error}")

    def tick(self, now: float) -> None:
        if self._resolver:
            self._resolver.tick(now)
        for generation in self.generations:
            generation.tick(now)
        self._retired = [generation for generation in self._retired if not generation.gone]
        if self._next_argv is not None:
            self.request(self._next_argv)
        if self.next is None:
            return
        if self._step is Step.LOADING and self.next.loaded:
            self._step = Step.SWITCHING
            self._switch(self.next)
        elif self._step is Step.SWITCHING and self._settled():
            self._retire(self.current)
            self.current, self.next, self._step = self.next, None, Step.DONE
            seconds = now - self._begun
            self._context.events.emit("reload.done", generation=self._number, seconds=seconds)

    def excuse(self, seconds: float) -> None:
        """Whatever is being read or loaded gets *seconds* more."""
        if self._resolver:
            self._resolver.excuse(seconds)
        for generation in self.generations:
            for template in generation.templates:
                template.excuse(seconds)

    def fail(self, reason: str) -> None:
        """Give the reload up.  Does nothing when none is running."""
        if not self.active:
            return
        switched = self.switching
        self._step, self._reason = Step.FAILED, reason
        if self._resolver:
            self._resolver.kill()
        if self.next:
            self._retire(self.next)
            self.next = None
        if switched:
            self._switch(self.current)
        self._context.events.emit("reload.failed", generation=self.current.number, reason=reason)

    def give_up(self, reason: str) -> None:
        self._next_argv = None
        self.fail(reason)

    def stop(self) -> None:
        self.give_up("jobsup is stopping")
        for generation in self.generations:
            generation.stop()

    def _retire(self, generation: Generation) -> None:
        generation.stop()
        self._retired.append(generation)

    def _resolved(self, found: Config | list[str]) -> None:
        self._resolver = None
        if self._step is not Step.RESOLVING:
            return  # given up meanwhile
        problems = found if isinstance(found, list) else unchangeable(self.current.config, found)
        if isinstance(found, list) or problems:
            self.fail("; ".join(problems))
            return
        self.next = self._make(self._number, found)
        self._step = Step.LOADING


def unchangeable(old: Config, new: Config) -> list[str]:
    """What differs although only a restart can change it, as sentences."""
    differs = {
        # Its password and certificates may change: that is what a new credential is for.
        "the Redis server": server(old.redis_url) != server(new.redis_url),
        "--embedded": old.embedded != new.embedded,
        "the control socket": old.ctl != new.ctl,
    }
    return [f"{what} cannot change in a reload; restart jobsup" for what, differ in differs.items() if differ]
