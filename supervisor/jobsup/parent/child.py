"""The parent's handle on one worker.  The body is in ``jobsup.worker``; neither imports the other."""

import contextlib
import os
import random
import secrets
import signal
from dataclasses import dataclass, field

from jobsup import clock
from jobsup.clock import FOREVER
from jobsup.config.model import Profile, hostname
from jobsup.parent import plan
from jobsup.parent.generation import Generation
from jobsup.parent.helper import Helper
from jobsup.parent.stages import Event, Stage, after
from jobsup.typedefs import JSON, Identity
from jobsup.unix import pidfd, process
from jobsup.unix.link import Link
from jobsup.unix.pidfd import Ended
from jobsup.unix.slot import READY, Running, Slot

_UNSEEN_AFTER = 1.0
"""Seconds to wait for the kernel to reparent a dead worker to us before its status is taken for lost."""

_LEAST_SPREAD = 0.9


@dataclass(eq=False)
class Child:
    """One worker as its parent sees it.

    Attributes:
        nonce: chosen before the fork, so that both sides can name it without talking.
        limit: what no word of a leaving worker can put its deadline behind.
        leaving: it was asked to go, or said it goes: its end is no crash.
        patient: it leaves with the patience of a reload, which a stop ends.
        spread: the share of the profile's ``max_jobs`` and ``max_lifetime`` that it has.
        worn: why it is to be replaced; "" if it is not.
        killed: why we killed it; "" if we did not.
        ran: what ran when it began to leave.
        given_back: the jids that it said it gives back.
        longest: seconds and class of the longest job that ended while it left, as it said.
        large: we killed it for its memory.
        drained: it said that nothing of its work is left in its in-flight lists.
    """

    profile: Profile
    generation: Generation
    template: Helper
    link: Link
    slot: Slot
    deadline: float
    nonce: str = field(default_factory=lambda: secrets.token_hex(6))
    stage: Stage = Stage.SPAWNING
    pid: int = 0
    pidfd: int = -1
    asked_at: float = field(default_factory=clock.monotonic)
    ready_at: float = FOREVER
    limit: float = FOREVER
    leaving: bool = False
    patient: bool = False
    spread: float = field(default_factory=lambda: random.uniform(_LEAST_SPREAD, 1.0))
    worn: str = ""
    killed: str = ""
    large: bool = False
    drained: bool = False
    ran: list[Running] = field(default_factory=list)
    given_back: list[str] = field(default_factory=list)
    longest: tuple[float, str] = (0.0, "")
    traceback: str = ""
    permanent: bool = False
    _died_at: float = FOREVER

    @property
    def name(self) -> str:
        return f"Worker {self.profile.name}"

    @property
    def identity(self) -> Identity:
        return f"{hostname()}:{self.pid}:{self.nonce}"

    @property
    def crashed(self) -> bool:
        """Whether its end, now that it has ended, says something about what it ran.

        Not when it was asked to go; nor when we killed it for a job beyond its time limit, which is known, or for its
        memory, which jobs that are long done may have taken.
        """
        now = clock.monotonic()
        timed_out = any(0 < job.limit <= now for job in self.slot.running())
        return not self.leaving and not self.large and not (self.killed and timed_out)

    def happened(self, event: Event) -> None:
        self.stage = after(self.stage, event)

    def view(self) -> plan.Worker:
        return plan.Worker(
            self.nonce,
            self.profile.name,
            self.generation.number,
            self.stage,
            self.deadline,
            self.patient,
            bool(self.worn),
        )

    def leave_by(self, until: float) -> None:
        """Its jobs may run until *until*; a little later it is killed.

        The last word counts, as a job that was on its way may need longer than those before; but none can
        put off what ``max_timeout`` allows, counted from when it began to leave.
        """
        if not self.leaving:
            self.begin_leaving(clock.monotonic())
        self.deadline = min(self.limit, until + self.profile.kill_after)

    def begin_leaving(self, begun: float, patience: float = 0.0) -> None:
        """It leaves as of *begun*; without its own word it may need all of ``max_timeout``, or of *patience*."""
        if not self.leaving:
            self.ran = self.slot.running()
        self.leaving, self.patient = True, patience > 0
        self.limit = min(self.limit, begun + max(self.profile.max_timeout, patience) + self.profile.kill_after)
        self.deadline = self.limit
        self.happened(Event.LEAVING)

    def halt(self, now: float) -> None:
        """It leaves now, whatever it was allowed before."""
        self.begin_leaving(now)
        self.limit = self.deadline = min(self.limit, now + self.profile.kill_after)

    def kill(self, reason: str) -> None:
        self.killed = reason
        self.happened(Event.KILL)
        if self.pid:
            pidfd.send(self.pidfd, signal.SIGKILL)
        else:
            # Its template has not named it in all that time, so the template is what hangs.
            self.template.kill()

    def reap(self) -> Ended | None:
        """How it ended; None while it runs, or while the kernel has not made it ours yet."""
        # While it is not reaped its number cannot be anybody else's, so what it started dies with it now.
        process.kill_group(self.pid)
        try:
            return pidfd.reap(self.pidfd)
        except ChildProcessError:
            # The pidfd speaks before the dead is reparented from its middle process: a moment later it works.
            now = clock.monotonic()
            self._died_at = min(self._died_at, now)
            return Ended() if now - self._died_at > _UNSEEN_AFTER else None

    def status(self, now: float) -> dict[str, JSON]:
        """For ``ctl status``."""
        ticks = self.slot.read()
        return {
            "pool": self.profile.name,
            "pid": self.pid,
            "identity": self.identity,
            "state": self.stage.name.lower(),
            "generation": self.generation.number,
            "busy": ticks.busy,
            "in_hand": ticks.in_hand,
            "fetching": ticks.state == READY,
            "rss": process.resident_bytes(self.pid) if self.pid else 0,
            "worn": self.worn,
            "age": round(now - self.asked_at, 3),
            "main_tick_age": round(now - ticks.main_tick / 1e9, 3) if ticks.main_tick else None,
        }

    def close(self) -> None:
        self.link.close()
        self.slot.close()
        if self.pidfd >= 0:
            with contextlib.suppress(OSError):
                os.close(self.pidfd)
