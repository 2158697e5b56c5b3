"""The parent's handle on the guard of the embedded server, where there is one."""

import os
from collections.abc import Callable

from jobsup.clock import FOREVER
from jobsup.config.model import Config
from jobsup.exits import Exit
from jobsup.parent.helper import Helper
from jobsup.parent.loop import Context
from jobsup.unix.link import Message


class Guard:
    """Nothing at all, and *up*, when the configuration wants no embedded server.

    *up*: the server answers, or is somebody else's.
    """

    def __init__(
        self,
        context: Context,
        config: Config,
        hold: int,
        *,
        on_fatal: Callable[[str, Exit], None],
        on_end: Callable[[Helper], None],
    ) -> None:
        """*hold*: the end of a pipe that the guard reads, to learn that everybody has gone; it is ours no longer."""
        self.up = not config.embedded
        self._on_fatal = on_fatal
        self.helpers: list[Helper] = []
        if not config.embedded:
            os.close(hold)
            return
        guard = Helper(
            context,
            "Embedded server",
            role="embedded",
            fds=(hold,),
            hello=lambda: {"op": "start", "config": config.dump()},
            on_message=self._said,
            on_end=on_end,
        )
        self.helpers.append(guard)

    @property
    def deadline(self) -> float:
        return min((helper.deadline for helper in self.helpers), default=FOREVER)

    def tick(self, now: float) -> None:
        for helper in self.helpers:
            helper.tick(now)

    def stop(self) -> None:
        for helper in self.helpers:
            helper.stop()

    def _said(self, guard: Helper, message: Message, fds: list[int]) -> None:
        if message["op"] == "ready":
            self.up = True
        elif message["op"] == "fatal" and not self.up:
            self._on_fatal(str(message["sentence"]), Exit(message["exit"]))
