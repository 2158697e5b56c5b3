"""The parent's side of the keeper: whose jobs have to be given back, and whose have been."""

from collections.abc import Callable, Sequence
from typing import Any

from jobsup import clock
from jobsup.clock import FOREVER
from jobsup.config.model import Config
from jobsup.durations import Durations
from jobsup.exits import Exit
from jobsup.parent.child import Child
from jobsup.parent.helper import Helper
from jobsup.parent.loop import Context
from jobsup.parent.stop import SETTLE_WITHIN
from jobsup.parent.verdict import Verdict
from jobsup.typedefs import Identity
from jobsup.unix.link import Message
from jobsup.unix.pidfd import Ended
from jobsup.unix.pulse import Pulse
from jobsup.unix.slot import Running


class Housekeeping:
    """Starts the keeper, tells it who ended, and remembers that until it has given their jobs back.

    Attributes:
        up: the keeper was ready once, so Redis is there and the start may go on.
        pulse: what the keeper can tell of us at any time.
        durations: how long jobs take, by class; what the keeper read last.
        given_back: jobs that the keeper found and gave back since ``count_from_now``.
    """

    def __init__(
        self,
        context: Context,
        config: Config,
        *,
        on_fatal: Callable[[str, Exit], None],
        on_suspects: Callable[[dict[str, int]], None],
        on_end: Callable[[Helper], None],
    ) -> None:
        self._config = config
        self._on_fatal = on_fatal
        self._on_suspects = on_suspects
        self._unsettled: dict[Identity, dict[str, Any]] = {}
        self._needed: set[Identity] = set()
        self._settle_by = FOREVER
        self.up = False
        self.redis = True
        self.given_back = 0
        self.durations: dict[str, Durations] = {}
        self.pulse = Pulse.create()
        self.keeper = Helper(
            context,
            "Keeper",
            role="keeper",
            fds=(context.hold, self.pulse.fd),
            hello=self._hello,
            on_message=self._said,
            on_end=on_end,
        )

    @property
    def deadline(self) -> float:
        return min(self.keeper.deadline, self._settle_by)

    @property
    def left_behind(self) -> bool:
        """Whether somebody ended with jobs that are not known to be back."""
        return bool(self._needed & self._unsettled.keys())

    def count_from_now(self) -> None:
        """The stop begins: what is given back from here on decides the exit code."""
        self.given_back = 0

    def ended(self, child: Child, ended: Ended, verdict: Verdict) -> None:
        """Tell the keeper, and again if it dies before it has answered."""
        running = child.slot.running()
        facts: dict[str, Any] = {
            "identity": child.identity,
            "pool": child.profile.name,
            "cause": "memory" if child.large else "crash" if child.crashed else "left",
            "isolated": child.profile.isolated,
            "running": [_facts(job) for job in running],
            "verdict": str(verdict),
            "death": verdict.dump() if verdict.noteworthy else None,
        }
        self._unsettled[child.identity] = facts
        if not (child.drained and ended.code == Exit.OK):
            self._needed.add(child.identity)
        self.keeper.send("ended", **facts)

    def vouch(self, identities: Sequence[Identity]) -> None:
        """Have the leases of *identities* renewed for them."""
        self.keeper.send("vouch", identities=identities)

    def configure(self, config: Config) -> None:
        """From now on this counts: another generation runs, perhaps with a new password."""
        self._config = config
        self.keeper.send("config", config=config.dump())

    def settled(self, now: float) -> bool:
        """With no worker left: whether all is given back, or has been waited for long enough."""
        if not self.left_behind or not self.up or not self.keeper.wanted:
            return True
        if self._settle_by == FOREVER:
            self._settle_by = now + SETTLE_WITHIN
        return now >= self._settle_by

    def stop(self) -> None:
        self._settle_by = FOREVER
        self.keeper.stop()
        if self.left_behind:
            # It has had its time.  It may be waiting for a server that hangs, and would not hear us for seconds.
            self.keeper.kill()

    def _hello(self) -> Message:
        return {
            "op": "start",
            "config": self._config.dump(),
            "first": not self.up,
            "ended": list(self._unsettled.values()),
        }

    def _said(self, keeper: Helper, message: Message, fds: list[int]) -> None:
        match message["op"]:
            case "ready":
                self.up = True
            case "fatal":
                # Only a start can be refused.  Later the keeper ends, is restarted, and workers ride it out.
                if not self.up:
                    self._on_fatal(str(message["sentence"]), Exit(message["exit"]))
            case "gave_back":
                self._unsettled.pop(message["identity"], None)
                self._needed.discard(message["identity"])
                self.given_back += int(message["jobs"])
            case "durations":
                self.durations = {
                    str(klass): Durations({int(bucket): int(runs) for bucket, runs in counts.items()})
                    for klass, counts in message["classes"].items()
                }
            case "suspects":
                self._on_suspects({str(queue): int(jobs) for queue, jobs in message["queues"].items()})
            case "lost_redis":
                self.redis = False
            case "found_redis":
                self.redis = True


def _facts(job: Running) -> dict[str, Any]:
    """What the keeper is told of a job that was running when its worker ended."""
    now = clock.monotonic()
    return {
        "jid": job.jid,
        "klass": job.klass,
        "queue": job.queue,
        "check": job.check,
        "seconds": now - job.begun,
        "over_limit": 0 < job.limit <= now,
        "cancelled": job.cancelled,
    }
