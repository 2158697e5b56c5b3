"""All workers of all pools: carries out what the plan says, and notes what happens to them."""

import os
import random
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from jobsup import clock
from jobsup.config.model import QUARANTINE
from jobsup.exits import Exit
from jobsup.parent import restart
from jobsup.parent.child import Child
from jobsup.parent.generation import Generation
from jobsup.parent.helper import Helper
from jobsup.parent.loop import Context
from jobsup.parent.stages import Event, Stage
from jobsup.parent.verdict import Verdict, sentence
from jobsup.unix import link, oom
from jobsup.unix.link import Link, Message
from jobsup.unix.pidfd import Ended
from jobsup.unix.slot import Slot

_SPAWN_RETRY = 1.0
_SUSPECTS = 25
"""Workers for suspects of one pool, at most: a worker may have run thousands of jobs, and each would be a process."""
_VERDICTS = 20


@dataclass
class PoolRecord:
    """What must be remembered of a pool beyond its workers."""

    crashes: restart.History = field(default_factory=restart.History)
    holds: tuple[float, ...] = ()
    failed: bool = False
    starved: bool = False
    """The system had no process, thread or descriptor for its last worker, and that was said."""
    allowed: int | None = None
    """Workers it may have while memory is short; None: as many as it is to have."""
    suspects: int = 0
    """Workers wanted for suspects: a crash asks for as many as jobs ran, and each leaves when there are none."""


class Crew:
    """The executor of the plan.

    1. act        one action of the plan: spawn, quiet, drain, kill
    2. spawned    a template named a worker's process
    3. messages   what a worker says about itself
    4. reap       a worker ended: tell ``on_end``; of a crash, hold its vacancy and tell ``on_crash``
    """

    def __init__(
        self,
        context: Context,
        *,
        on_end: Sequence[Callable[[Child, Ended, Verdict], None]],
        on_crash: Callable[[Child, Ended], None],
    ) -> None:
        self._context = context
        self._on_crash = on_crash
        self._on_end = on_end
        self._children: dict[str, Child] = {}
        self._pools: dict[str, PoolRecord] = {}
        self._oom = oom.Watch()
        self.verdicts: deque[Verdict] = deque(maxlen=_VERDICTS)
        """The last deaths that nobody had asked for, and those of whom we killed; oldest first."""
        self.given_back = 0
        """Jobs that workers said they gave back unfinished."""
        self.interrupted = 0
        """Workers that left with jobs still running."""

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._children.values()))

    def __len__(self) -> int:
        return len(self._children)

    @property
    def pids(self) -> set[int]:
        return {child.pid for child in self._children.values() if child.pid}

    @property
    def able(self) -> int:
        """Workers that can fetch, or could before they were made quiet; those of suspects do not count."""
        up = (Stage.READY, Stage.QUIET)
        return sum(child.stage in up and not child.profile.isolated for child in self)

    @property
    def spawning(self) -> bool:
        """Whether a process of ours may exist that has not been named yet."""
        return any(not child.pid for child in self._children.values())

    def pool(self, name: str) -> PoolRecord:
        return self._pools.setdefault(name, PoolRecord())

    def failed_pools(self) -> list[str]:
        return [name for name, record in self._pools.items() if record.failed]

    def count_from_now(self) -> None:
        """The stop begins: what stays unfinished from here on decides the exit code."""
        self.given_back = self.interrupted = 0

    def forgive(self) -> None:
        """A new generation begins: what the pools died of before no longer counts."""
        self._pools = {
            name: PoolRecord(suspects=record.suspects, allowed=record.allowed) for name, record in self._pools.items()
        }

    @property
    def held(self) -> dict[str, int]:
        """The pools that memory is too short for, and how many workers they may have."""
        return {name: record.allowed for name, record in self._pools.items() if record.allowed is not None}

    def hold(self, pool: str, reason: str) -> None:
        """Let nobody fetch for *pool*."""
        if self.pool(pool).allowed != 0:
            self.pool(pool).allowed = 0
            self._context.events.emit("pool.held", pool=pool, reason=reason)

    def release(self, pool: str, allowed: int, size: int) -> None:
        """Let *pool* have *allowed* workers again, of the *size* that it is to have."""
        self.pool(pool).allowed = allowed if allowed < size else None
        if allowed >= size:
            self._context.events.emit("pool.released", pool=pool)

    def isolate(self, pool: str, wanted: int) -> None:
        """Have *wanted* workers at least, but not any number, for the suspects of *pool*, the name of a quarantine."""
        record = self.pool(pool)
        record.suspects = max(record.suspects, min(wanted, _SUSPECTS))

    def spawn(self, generation: Generation, pool: str, now: float) -> None:
        profile, template = generation.profiles[pool], generation.template(pool)
        try:
            slot = Slot.create(profile.concurrency)
        except OSError as error:  # no descriptor to spare
            self._not_spawned(pool, error, now)
            return
        try:
            ours, theirs = link.pair()
        except OSError as error:
            slot.close()
            self._not_spawned(pool, error, now)
            return
        # Its boot deadline counts from the request: a fork that never happens is late as well.
        deadline = now + profile.boot_timeout
        child = Child(profile, generation, template, Link(ours, blocking=False), slot, deadline)
        self._children[child.nonce] = child
        self._context.loop.watch_link(child.link, lambda: self._receive(child))
        try:
            with theirs:  # our copy must go: its EOF is how we learn that the worker is dead
                template.send(
                    "spawn",
                    fds=[theirs.fileno(), slot.fd],
                    profile=pool,
                    nonce=child.nonce,
                    generation=generation.number,
                )
        except OSError as error:
            self._remove(child)
            self._not_spawned(pool, error, now)

    def quiet(self, nonce: str) -> None:
        child = self._children[nonce]
        child.link.send("quiet")
        child.happened(Event.QUIETED)

    def drain(self, nonce: str, begun: float, *, patient: bool) -> None:
        child = self._children[nonce]
        patience = child.profile.drain if patient else 0.0
        child.link.send("drain", begun=begun, patience=patience)
        child.begin_leaving(begun, patience)

    def halt(self, now: float) -> None:
        """Everybody gives back what runs and leaves, now; asked again it changes nothing."""
        for child in self:
            child.link.send("halt")
            child.halt(now)

    def kill(self, nonce: str, now: float) -> None:
        child = self._children[nonce]
        if child.leaving:
            reason = f"it did not leave in time ({now - child.deadline:+.1f}s)"
        else:
            reason = f"it did not become ready within {child.profile.boot_timeout:g}s"
        self._context.events.emit("child.killed", child=child.name, pid=child.pid, reason=reason)
        child.kill(reason)

    def kill_hung(self, child: Child, reason: str) -> None:
        """It ends now and counts as crashed: what it ran is suspect."""
        self._context.events.emit("child.killed", child=child.name, pid=child.pid, reason=reason)
        child.kill(reason)

    def kill_large(self, child: Child, reason: str) -> None:
        """It ends now, for its memory: what it ran is given back.  In a quarantine it is known who took it."""
        child.large = not child.profile.isolated
        self.kill_hung(child, reason)

    def wear(self, child: Child, reason: str) -> None:
        """Another is to take its place before it leaves."""
        child.worn = reason
        self._context.events.emit("child.worn", child=child.name, pid=child.pid, reason=reason)

    def excuse(self, seconds: float) -> None:
        """Whoever is still booting gets *seconds* more.  A stop is not put off: others rely on its budget."""
        for child in self:
            if child.stage < Stage.READY:
                child.deadline += seconds

    def dump(self) -> None:
        for child in self:
            child.link.send("dump")

    def cancel(self, jid: str) -> bool:
        """Have the job *jid* end wherever it runs.  False: it runs nowhere here."""
        found = [child for child in self if any(job.named(jid) for job in child.slot.running())]
        for child in found:
            child.link.send("cancel", jid=jid)
        return bool(found)

    def spawned(self, message: Message, fds: list[int]) -> None:
        child = self._children[message["nonce"]]
        child.pid, [child.pidfd] = message["pid"], fds
        child.happened(Event.SPAWNED)
        self._context.loop.watch(child.pidfd, lambda: self._reap(child))
        self._context.events.emit("child.started", child=child.name, pid=child.pid, generation=child.generation.number)
        if child.stage is Stage.KILLED:
            child.kill(child.killed)

    def spawn_failed(self, message: Message, now: float) -> None:
        child = self._children.get(message["nonce"])
        if child is None or child.pid:
            return  # the middle process named it and failed afterwards: it lives, or has ended meanwhile
        self._remove(child)
        self._not_spawned(child.profile.name, message["error"], now)

    def template_gone(self, template: Helper) -> None:
        """Whoever it was asked for and did not name will never be."""
        for child in self:
            if child.template is template and not child.pid:
                self._remove(child)

    def _receive(self, child: Child) -> None:
        try:
            messages = child.link.receive()
        except ValueError as error:
            child.link.closed = True
            messages = []
            self._context.loop.forget(child.link)
            child.kill(f"it wrote what is no message: {error}")
        for message, fds in messages:
            for fd in fds:  # a worker has none to give
                os.close(fd)
            self._said(child, message)
        if child.link.closed:
            self._context.loop.forget(child.link)
            # It died, or nobody can steer it any more and it drains as if we had died: bounded either way.
            now = clock.monotonic()
            child.deadline = min(child.deadline, now + child.profile.max_timeout + child.profile.kill_after)

    def _said(self, child: Child, message: Message) -> None:
        match message["op"]:
            case "ready":
                now = clock.monotonic()
                if child.stage < Stage.READY:
                    child.deadline = clock.FOREVER
                child.ready_at = min(child.ready_at, now)
                child.happened(Event.BOOTED)
                self.pool(child.profile.name).starved = False
                child.generation.proven = True
                self._context.events.emit(
                    "child.ready",
                    child=child.name,
                    pid=child.pid,
                    generation=child.generation.number,
                    seconds=now - child.asked_at,
                )
            case "failed":
                child.traceback = str(message["traceback"])
                child.permanent = bool(message.get("permanent"))
                self._context.events.emit("boot.failed", child=child.name, traceback=child.traceback)
            case "draining":
                if child.profile.isolated and not child.leaving:
                    self._no_suspects(child)
                child.leave_by(float(message["until"]))
            case "drained":
                child.drained = True
                self.given_back += len(message.get("given_back", ()))
                child.given_back = [str(jid) for jid, _ in message.get("given_back", ())] + message.get("paused", [])
                child.longest = float(message.get("seconds", 0.0)), str(message.get("klass", ""))

    def _reap(self, child: Child) -> None:
        ended = child.reap()
        if ended is None:
            return
        if not child.link.closed:
            self._receive(child)  # its last words
        now = clock.monotonic()
        suspects = len(child.slot.running()) if child.crashed else 0
        verdict = self._judge(child, ended, now)
        for tell in self._on_end:  # before all else: its jobs wait for nothing but this
            tell(child, ended, verdict)
        self._remove(child)
        self.interrupted += ended.code == Exit.INTERRUPTED
        if child.leaving and child.profile.isolated:
            self._context.events.emit("child.done", child=child.name, pid=child.pid, verdict=verdict)
        elif child.leaving:
            self._context.events.emit("child.ended", child=child.name, pid=child.pid, verdict=verdict)
        elif _starved(child, ended):
            self._not_spawned(child.profile.name, "the system has no thread or descriptor to spare", now)
        else:
            self._crashed(child, verdict, now)
            if suspects and not child.profile.isolated:
                # Asked for while the keeper still moves them: they take the place of the dead one's threads.
                pool = child.profile.name + QUARANTINE
                self.isolate(pool, min(self.pool(pool).suspects + suspects, child.profile.concurrency))
            self._on_crash(child, ended)

    def _judge(self, child: Child, ended: Ended, now: float) -> Verdict:
        # Only what we did not send ourselves asks for an explanation.
        unexplained = ended.signal == signal.SIGKILL and not child.killed
        memory = self._oom.explains() if unexplained else ""
        text = sentence(
            ended,
            sent=child.killed,
            memory=memory,
            ticks=child.slot.read(),
            running=child.slot.running(),
            age=now - child.asked_at,
            now=now,
        )
        crash = not child.leaving and not _starved(child, ended)
        stacks = child.slot.stacks()
        verdict = Verdict(clock.wall(), child.name, child.pid, ended, child.killed, memory, text, stacks, crash)
        if verdict.noteworthy:
            self.verdicts.append(verdict)
        return verdict

    def _crashed(self, child: Child, verdict: Verdict, now: float) -> None:
        record = self.pool(child.profile.name)
        record.crashes = record.crashes.add(now, max(0.0, now - child.ready_at))
        wait = restart.delay(record.crashes, random.random())
        self._hold(child.profile.name, now, now + wait)
        self._context.events.emit("child.crashed", child=child.name, pid=child.pid, verdict=verdict, seconds=wait)
        if verdict.stacks:
            self._context.events.emit("child.stacks", child=child.name, pid=child.pid, stacks=verdict.stacks)
        if child.profile.isolated:
            return  # it is what they are for; given up, the suspects would lie there for ever
        most = restart.intensity(child.profile.processes)
        if restart.exhausted(record.crashes, now, most) and not record.failed:
            record.failed = True
            deaths = record.crashes.recent(now)
            self._context.events.emit("pool.failed", pool=child.profile.name, deaths=deaths, seconds=restart.WINDOW)

    def _no_suspects(self, child: Child) -> None:
        record = self.pool(child.profile.name)
        record.suspects = max(0, record.suspects - 1)

    def _not_spawned(self, pool: str, error: object, now: float) -> None:
        # The system's fault, not the worker's: it is tried again and counts as no crash.
        self._hold(pool, now, now + _SPAWN_RETRY)
        record = self.pool(pool)
        if not record.starved:
            record.starved = True
            self._context.events.emit("spawn.failed", child=f"Worker {pool}", error=error, seconds=_SPAWN_RETRY)

    def _hold(self, pool: str, now: float, until: float) -> None:
        record = self.pool(pool)
        record.holds = (*(hold for hold in record.holds if hold > now), until)

    def _remove(self, child: Child) -> None:
        child.happened(Event.ENDED)
        del self._children[child.nonce]
        self._context.loop.forget(child.link)
        if child.pidfd >= 0:
            self._context.loop.forget(child.pidfd)
        child.close()


def _starved(child: Child, ended: Ended) -> bool:
    """Whether it could not even begin, for want of a thread or a descriptor."""
    return ended.code == Exit.STARVED and child.ready_at == clock.FOREVER
