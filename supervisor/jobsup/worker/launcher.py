"""Runs the capsules of one profile in a worker process."""

from __future__ import annotations

import itertools
import os
import select
import signal
import traceback
from collections import deque
from collections.abc import Callable

from jobsup.clock import Deadline, monotonic
from jobsup.config.model import Capsule, Config, Profile, hostname
from jobsup.errors import Cancelled, RedisRefused, RedisUnavailable, Shutdown, TimeLimitExceeded
from jobsup.events import Events
from jobsup.exits import Exit
from jobsup.jobs import registry
from jobsup.jobs.perform import perform
from jobsup.log import Logger
from jobsup.payload import limits_of
from jobsup.store import connection, scripts
from jobsup.unix import process, proctitle, slot
from jobsup.unix.doorbell import Doorbell
from jobsup.unix.link import Link, Message
from jobsup.unix.slot import Slot
from jobsup.unix.wakeup import Wakeup
from jobsup.worker import limits, stacks
from jobsup.worker.counters import Counters
from jobsup.worker.drain import Drain
from jobsup.worker.eventloop import EventLoop
from jobsup.worker.executor import Executor
from jobsup.worker.fetch import Fetcher
from jobsup.worker.heartbeat import Heartbeat
from jobsup.worker.inbox import Inbox, Outbox
from jobsup.worker.lease import Lease, Outage
from jobsup.worker.manager import Manager
from jobsup.worker.measures import Measures
from jobsup.worker.processor import Processor
from jobsup.worker.progress import places
from jobsup.worker.settle import DeadLimits
from jobsup.worker.unit import UnitOfWork

_LOOK = 1.0
"""Seconds between looks at the clock while nothing happens: the heartbeat slot and the title stay fresh."""
_IDLE = 2.0
"""Seconds without a job after which a worker for suspects leaves: longer than the keeper needs to move them."""
_GOODBYE = 1.0
"""Seconds for the last beat and the deregistration."""


class Launcher:
    """The main thread of a worker, and what its other threads share.

    1. start   register, start the threads, tell the parent READY
    2. listen  to signals, to the parent, and to what Sidekiq's Web UI asked for
    3. quiet   fetch nothing more
    4. drain   let jobs finish until their deadlines, interrupt the rest, settle, leave
    5. cancel  end one job; so do time limits.  For a job that does not heed it, drain and leave without it

    ``run`` is the main thread; the others only append to ``_asked`` and ring.
    """

    def __init__(
        self,
        link: Link,
        memory: Slot,
        config: Config,
        redis: connection.Client,
        profile: Profile,
        nonce: str,
        generation: int,
        wakeup: Wakeup,
    ) -> None:
        self._link = link
        self._slot = memory
        self._profile = profile
        self._wakeup = wakeup
        self._host = hostname()
        self.identity = f"{self._host}:{os.getpid()}:{nonce}"
        self._client = redis
        self._events = Events()
        self._events.subscribe(
            Logger(profile.name, form=config.log_format, level="debug" if config.verbose else "info")
        )
        self._counters = Counters()
        self._measures = Measures()
        self._lease = Lease()
        self._outage = Outage(self._events)
        self._bell = Doorbell()
        self._asked: deque[str] = deque()
        self._entries = itertools.count()
        execute = Executor(
            registry.default,
            perform,
            profile.max_retries,
            profile.wire,
            self._events,
            profile.time_limit,
            profile.max_interruptions,
            profile.kill_after,
            limits=limits_of((profile,)),
            progress=places(config.redis_url, self.identity, self._events, lambda: self._drain is not None),
        )
        self._loop = EventLoop(self._crash)
        self._managers = [self._manager(capsule, execute) for capsule in profile.capsules]
        self._heartbeat = Heartbeat(
            client=self._client,
            identity=self.identity,
            hostname=self._host,
            generation=generation,
            profile=profile,
            lease=self._lease,
            outage=self._outage,
            counters=self._counters,
            measures=self._measures,
            running=lambda: {p.name: unit for p, unit in self._running()},
            abandoned=lambda: all(m.fetcher.epoch == self._lease.epoch for m in self._managers),
            on_signal=self._ask,
            on_registered=self._ring_managers,
            on_crash=self._crash,
        )
        self._quiet = False
        self._drain: Drain | None = None
        self._until = 0.0
        self._interrupted: set[UnitOfWork] = set()
        self._stuck: set[UnitOfWork] = set()
        self._title = ""
        self._idle_since = monotonic()
        self._by_signal: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self.drain,
            signal.SIGINT: self.drain,
            signal.SIGQUIT: self.halt,
            signal.SIGTSTP: self.quiet,
            signal.SIGTTIN: self.dump,
        }
        self._by_name: dict[str, Callable[[], None]] = {"TERM": self.drain, "TSTP": self.quiet, "TTIN": self.dump}

    def run(self) -> int:
        self._look()
        self._heartbeat.first()
        self._heartbeat.start()  # first: should there be no thread for it, nothing has been taken yet
        for manager in self._managers:
            manager.start()
        if not self._quiet:
            self._slot.set_state(slot.READY)
        self._link.send("ready", identity=self.identity)
        self._events.emit("worker.ready", queues=", ".join(self._profile.queues), identity=self.identity)
        while not self._done():
            self._sleep()
            for sig in self._wakeup.drain():
                self._by_signal[sig]()
            self._listen()
            while self._asked:
                # What another program wrote into our signals list; anything unknown is ignored, as Sidekiq does.
                self._obey(self._asked.popleft())
            self._look()
        return self._leave()

    # -- what may be asked for

    def quiet(self) -> None:
        if self._quiet:
            return
        self._quiet = True
        self._slot.set_state(slot.QUIET)
        self._heartbeat.quiet = True
        for manager in self._managers:
            manager.quiet()
        self._heartbeat.poke()
        self._events.emit("worker.quiet", busy=len(self._running()))

    def drain(self, begun: float | None = None, patience: float = 0.0) -> None:
        """Idempotent: the stop that began first counts, but one without *patience* ends that of a reload."""
        if self._drain is not None and (patience or not self._drain.patience):
            return
        self.quiet()
        self._slot.set_state(slot.DRAINING)
        self._drain = Drain.of(self._profile, monotonic() if begun is None else begun, patience)
        self._until = 0.0
        self._measures.leaving()
        self._tell_until(self._drain)
        self._events.emit("worker.draining", busy=len(self._running()), seconds=max(0.0, self._until - monotonic()))

    def halt(self) -> None:
        self.drain()
        if self._drain is not None:
            self._drain = self._drain.halted(monotonic())

    def cancel(self, jid: str) -> None:
        """End the job *jid*, if it runs here."""
        for processor, unit in self._running():
            if unit.jid == jid:
                processor.interrupt(unit, Cancelled)

    def dump(self) -> None:
        self._events.emit("worker.stacks", stacks=stacks.everything(self._running()))

    # -- the loop

    def _sleep(self) -> None:
        now = monotonic()
        timeout = min(_LOOK, limits.next_moment((u for _, u in self._running()), self._profile.kill_after, now) - now)
        if self._drain is not None:
            running = self._awaited()
            moments = [self._drain.deadline(unit) for unit in running]
            moments += [self._drain.leave_at([]), self._drain.leave_at(running)]
            timeout = min([timeout, *(at - now for at in moments if at > now)])
        poll = select.poll()
        poll.register(self._wakeup.fileno(), select.POLLIN)
        poll.register(self._bell.fileno(), select.POLLIN)
        if not self._link.closed:
            poll.register(self._link.fileno(), select.POLLIN)
        poll.poll(timeout * 1000)
        self._bell.answer()

    def _listen(self) -> None:
        if self._link.closed:
            return
        for message, _fds in self._link.receive():
            self._handle(message)
        if self._link.closed:
            # The parent is dead.  Nobody would notice what we do from here on: finish and go.
            self.drain()

    def _handle(self, message: Message) -> None:
        match message["op"]:
            case "quiet":
                self.quiet()
            case "drain":
                self.drain(message["begun"], message["patience"])
            case "halt":
                self.halt()
            case "dump":
                self.dump()
            case "cancel":
                self.cancel(message["jid"])
            case "why":
                stacks.write_awaited(self._slot, self._running(), message["jid"])

    def _obey(self, asked: str) -> None:
        word, _, rest = asked.partition(" ")
        if word == "CANCEL":
            self.cancel(rest)
        elif act := self._by_name.get(asked):
            act()

    def _look(self) -> None:
        running = self._running()
        self._slot.tick_main(monotonic())
        self._slot.set_rss(process.resident_bytes(os.getpid()))
        self._publish_work()
        title = proctitle.worker(
            self._profile.name, len(running), self._profile.concurrency, stopping=self._drain is not None
        )
        if title != self._title:
            self._title = title
            proctitle.set_title(title)
        self._enforce_limits(running)
        if self._drain is not None:
            self._tell_until(self._drain)
            self._interrupt_late(self._drain, running)
        elif self._profile.isolated:
            self._leave_when_idle()

    def _leave_when_idle(self) -> None:
        """A worker for suspects is there as long as there are any."""
        now = monotonic()
        if any(m.in_hand for m in self._managers):
            self._idle_since = now
        elif now - self._idle_since >= _IDLE:
            self.drain()

    def _publish_work(self) -> None:
        # Called by every thread that changes it: each writes the whole truth, so the last one is right.
        self._slot.set_work(sum(m.busy for m in self._managers), sum(m.in_hand for m in self._managers))
        self._slot.set_done(self._counters.finished, self._counters.failed)

    def _enforce_limits(self, running: list[tuple[Processor, UnitOfWork]]) -> None:
        now = monotonic()
        for processor, unit in running:
            if limits.overdue(unit, now):
                processor.interrupt(unit, TimeLimitExceeded)
            if now >= limits.stuck_at(unit, self._profile.kill_after) and unit not in self._stuck:
                self._stuck.add(unit)
                self._events.emit("worker.stuck", **unit.facts(), seconds=now - unit.begun)
        if any(unit in self._stuck for _, unit in running):
            # No thread can be ended, but the process can, once it has done right by its other jobs.
            self.drain()

    def _awaited(self) -> list[UnitOfWork]:
        """Every job that runs and may still end by itself."""
        return [unit for _, unit in self._running() if unit not in self._stuck]

    def _interrupt_late(self, drain: Drain, running: list[tuple[Processor, UnitOfWork]]) -> None:
        now = monotonic()
        late = [(p, unit) for p, unit in running if now >= drain.deadline(unit) and unit not in self._stuck]
        news = [unit for _, unit in late if unit not in self._interrupted]
        # The newest first: each is given back to the end that is fetched next, so they lie there as they had before.
        for processor, unit in sorted(late, key=lambda pair: pair[1].begun, reverse=True):
            processor.interrupt(unit, Shutdown)
        if news:
            self._interrupted.update(news)
            jids = ", ".join(unit.jid for unit in news)
            self._events.emit("worker.interrupted", jobs=len(news), jids=jids)

    def _tell_until(self, drain: Drain) -> None:
        until = drain.until(self._awaited())
        if until > self._until:
            self._until = until
            self._link.send("draining", until=until)

    def _done(self) -> bool:
        if self._drain is None:
            return False
        # Asked first: empty hands mean nothing while a reply under way may bring a job.
        taking = any(m.taking for m in self._managers)
        present = [unit for _, unit in self._running()]
        running = [unit for unit in present if unit not in self._stuck]
        now = monotonic()
        if running and now < self._drain.leave_at(running):
            return False
        unsettled = sum(m.in_hand for m in self._managers) - len(present)
        return (not taking and unsettled <= 0) or now >= max(self._drain.settled_by, self._drain.leave_at(running))

    # -- the end

    def _leave(self) -> int:
        for manager in self._managers:
            manager.close(_GOODBYE)
        left = self._heartbeat.leave(Deadline.after(_GOODBYE))
        unfinished = self._awaited()
        if self._link.closed and left != 0:
            self._give_back()
        given_back = [[unit.jid, unit.klass] for unit in {*self._interrupted, *unfinished}]
        (seconds, klass), paused = self._measures.longest, self._measures.paused
        self._link.send("drained", given_back=given_back, paused=paused, seconds=seconds, klass=klass)
        # With a parent, what still lies in the in-flight lists stays there: it is given back once the reap has
        # proved that no thread of ours runs it any more.
        return Exit.OK if left == 0 else Exit.INTERRUPTED

    def _give_back(self) -> None:
        """Without a parent nobody would look for a while; the overlap until our exit is the lesser evil."""
        try:
            scripts.give_back(scripts.runner(self._client), self.identity)
        except (RedisUnavailable, RedisRefused) as error:
            self._events.emit("redis.lost", error=str(error))

    # -- parts

    def _manager(self, capsule: Capsule, execute: Executor) -> Manager:
        limits = DeadLimits(self._profile.dead_max_jobs, self._profile.dead_timeout_in_seconds)

        def fetcher(inbox: Inbox, outbox: Outbox) -> Fetcher:
            return Fetcher(
                client=self._client,
                identity=self.identity,
                capsule=capsule,
                limits=limits,
                inbox=inbox,
                outbox=outbox,
                lease=self._lease,
                outage=self._outage,
                counters=self._counters,
                measures=self._measures,
                events=self._events,
                isolated=self._profile.isolated,
                tick=self._slot.tick_fetch,
                on_work=self._publish_work,
                on_settled=self._bell.ring,
            )

        entries = [self._slot.entry(next(self._entries)) for _ in range(capsule.concurrency)]
        lazily = registry.default.has_async
        return Manager(entries, fetcher, self._lease.alive, execute, self._crash, self._loop, lazily=lazily)

    def _running(self) -> list[tuple[Processor, UnitOfWork]]:
        return [pair for manager in self._managers for pair in manager.running()]

    def _ask(self, name: str) -> None:
        self._asked.append(name)
        self._bell.ring()

    def _ring_managers(self) -> None:
        for manager in self._managers:
            manager.ring()

    def _crash(self, error: BaseException) -> None:
        """A thread of ours failed.  Dying is safe: every job in hand lies in a list that names us."""
        text = "".join(traceback.format_exception(error))
        self._events.emit("worker.crashed", traceback=text)
        os._exit(Exit.SOFTWARE)
