"""The thread of a capsule that speaks to Redis: settles what is finished, takes what is free."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

from jobsup.clock import monotonic, wall
from jobsup.config.model import Capsule
from jobsup.errors import Fenced, RedisRefused, RedisUnavailable
from jobsup.events import Events
from jobsup.store import keys, scripts
from jobsup.store.channel import Channel
from jobsup.store.connection import Client
from jobsup.worker.blockers import Blockers
from jobsup.worker.counters import Counters
from jobsup.worker.fair import QueueOrder
from jobsup.worker.inbox import Inbox, Outbox
from jobsup.worker.lease import Lease, Outage
from jobsup.worker.measures import Measures
from jobsup.worker.outcome import Cancelled, GivenBack, Interrupted, Outcome, Succeeded
from jobsup.worker.settle import DeadLimits, settlement
from jobsup.worker.unit import UnitOfWork

_TICK = 1.0
"""Seconds between looks at the clock while nothing happens."""
_STALE = 0.02
"""Seconds after which jobs taken ahead go back if no thread has started or finished anything meanwhile."""
_AHEAD = 0.001
"""Seconds of work taken ahead beyond what a round trip needs, so that several jobs share one."""
_AHEAD_MAX = 200
"""Jobs taken ahead of the idle threads, at most."""
_LINGER = 0.002
"""Seconds for which what finished may wait for more to be settled with it, while all threads have their next jobs."""
_HANDOVER = 0.00005
"""Seconds for which a job that arrived has the interpreter's lock: its thread waits for that, while asking for the next
job can wait."""
_SETTLE_MAX = 1000
"""Settlements of one turn, at most: bounds how long a script holds the server."""
_GOES_ON = (GivenBack, Interrupted)
_NO_FAILURE = (Succeeded, Cancelled)
_AUDIT_AFTER = 6.0
"""Seconds between the two looks that prove that a job's reply was lost: longer than any move can wait."""


class Fetcher:
    """Owns a capsule's connections and its part of the in-flight lists.

    1. turn    settle everything finished and take for every free slot, in one script call
    2. wait    when the queues are empty: blocking moves, ended by what arrives or finishes
    3. ahead   while jobs are short, take enough to keep the threads busy during one round trip; give back what
               a long job would hold up
    4. quiet   take nothing more, give back what nobody started; settling goes on
    5. outage  keep every outcome, wait with back-off, go on; then look for jobs whose reply was lost

    ``run`` is the thread; the other methods may be called from any.
    """

    def __init__(
        self,
        *,
        client: Client,
        identity: str,
        capsule: Capsule,
        limits: DeadLimits,
        inbox: Inbox,
        outbox: Outbox,
        lease: Lease,
        outage: Outage,
        counters: Counters,
        measures: Measures,
        events: Events,
        isolated: bool,
        tick: Callable[[float], None],
        on_work: Callable[[], None],
        on_settled: Callable[[], None],
    ) -> None:
        self._client = client
        self._identity = identity
        self._capsule = capsule
        self._queues = [name for name, _ in capsule.queues]
        self._limits = limits
        self._inbox = inbox
        self._outbox = outbox
        self._lease = lease
        self._outage = outage
        self._counters = counters
        self._measures = measures
        self._events = events
        self._isolated = isolated
        self._tick = tick
        self._on_work = on_work
        self._on_settled = on_settled
        self._order = QueueOrder(capsule, random.random)

        self._main: Channel | None = None
        self._blockers = Blockers(client, identity, self._queues, self._report_broken)
        self.hand: set[UnitOfWork] = set()
        """Everything taken and not yet settled."""
        self._running = 0
        self._unsettled: list[tuple[UnitOfWork, Outcome]] = []
        self._dry = False
        self._rested = True
        """Whether it has slept since the last turn, so that several jobs may have finished."""
        self._round_trip = 0.001
        self._duration = 1.0
        self._stale_since: float | None = None
        self._failures = 0
        self._audit_at = float("inf")
        self._strangers: Counter[tuple[str, bytes]] = Counter()
        self.epoch = lease.epoch
        self._quiet = False
        self.taking = True
        """Whether jobs may still come in: until the thread has seen that it is to be quiet, and nothing it asked
        for is under way any more."""
        self._closing = False
        self.closed = False

    @property
    def busy(self) -> int:
        """Processors that have a job, or will have one in a moment."""
        return min(self._running, self._capsule.concurrency)

    def quiet(self) -> None:
        """Take nothing more.  Irreversible, as in Sidekiq."""
        self._quiet = True
        self._outbox.ring()

    def close(self) -> None:
        """End the thread once everything that finished is settled.  Call ``quiet`` first."""
        self._closing = True
        self._outbox.ring()

    def run(self) -> None:
        while not self.closed:
            try:
                self._step()
            except Fenced:
                self._lease.fence(self.epoch)
            except (RedisUnavailable, RedisRefused) as error:
                self._lost(error)
        self._hang_up()

    def _step(self) -> None:
        now = monotonic()
        self._tick(now)
        if self.epoch != self._lease.epoch:
            self._abandon()
        main = self._main or self._connect()
        self._collect()
        taking = not self._quiet and self._lease.alive()
        if taking:
            self._give_back_stale(now)
        else:
            self._refuse(self._blockers.disarm(main))
            self._give_back_unstarted()
            self._note_quiet()
        wanted = self._wanted() if taking else 0
        if now >= self._audit_at:
            self._audit(main)
        due = bool(self._unsettled) or (wanted > 0 and not self._dry)
        lingering = taking and not self._rested and self._inbox.size() > self._low()
        if due and not lingering:
            self._turn(main, wanted)
            self._rested = False
        elif self._closing and not taking:
            self.closed = True
        elif wanted and self._dry and self._blockers.arm():
            self._dry = False
        else:
            if not wanted:
                self._accept(self._blockers.disarm(main))
            self._on_work()
            self._wait()
            self._note_found()

    # -- taking and settling

    def _wanted(self) -> int:
        """How many jobs to take now: the idle threads, and what short jobs need ahead."""
        return max(0, self._capsule.concurrency + self._ahead(self._round_trip + _AHEAD) - self._running)

    def _ahead(self, seconds: float) -> int:
        """How many jobs the threads begin in so many *seconds*."""
        return 0 if self._isolated else min(int(self._capsule.concurrency * seconds / self._duration), _AHEAD_MAX)

    def _low(self) -> int:
        """With more than so many unstarted jobs no thread will be idle within a round trip: what finished may wait."""
        return min(self._ahead(self._round_trip), _AHEAD_MAX // 2)

    def _turn(self, main: Channel, wanted: int) -> None:
        self._on_work()
        shares, fallbacks = self._order.draw(wanted) if wanted else ([], [])
        settling = self._unsettled[:_SETTLE_MAX]
        now = wall()
        settlements = [settlement(unit, outcome, self._limits, now) for unit, outcome in settling]
        begun = monotonic()
        turn = scripts.turn(main.script, self._identity, settlements, shares, fallbacks, wanted)
        self._round_trip += 0.2 * (monotonic() - begun - self._round_trip)
        del self._unsettled[: len(settling)]
        self._settled(settling, turn)
        if self._isolated:
            self._clear(main, settling)
        for queue in turn.broken:
            self._blockers.mark_broken(queue)
        self._accept(turn.taken)
        if settling or turn.taken:
            self._note_found()
        if wanted:
            self._dry = len(turn.taken) < wanted

    def _settled(self, settling: list[tuple[UnitOfWork, Outcome]], turn: scripts.Turn) -> None:
        processed = failed = 0
        self.hand.difference_update([unit for unit, _ in settling])
        self._measures.note(settling)
        for (unit, outcome), was_ours, worn in zip(settling, turn.ours, turn.worn, strict=True):
            # With the lease held nobody else can have removed it: the settlement whose reply was lost did.
            if not was_ours and not unit.asked_before:
                self._events.emit("job.fenced", **unit.facts())
            elif worn:
                self._events.emit("job.worn", **unit.facts())
                processed += 1
                failed += 1
            elif not isinstance(outcome, _GOES_ON):
                processed += 1
                failed += not isinstance(outcome, _NO_FAILURE)
        self._counters.add(processed, failed)
        if self._quiet and settling:
            self._on_settled()

    def _clear(self, main: Channel, settled: list[tuple[UnitOfWork, Outcome]]) -> None:
        """A suspect that came to an end, whichever, did not kill its process."""
        ended = [unit for unit, outcome in settled if not isinstance(outcome, _GOES_ON)]
        cleared = [keys.crashes(unit.jid) for unit in ended]
        if cleared:
            main.call("UNLINK", *cleared)

    def _accept(self, taken: list[tuple[str, bytes]]) -> None:
        for queue, raw in taken:
            unit = UnitOfWork(queue, raw)
            self.hand.add(unit)
            self._running += 1
            self._inbox.put(unit)

    def _note_quiet(self) -> None:
        if self._quiet and self.taking:
            self.taking = False
            self._on_settled()

    def _refuse(self, taken: list[tuple[str, bytes]]) -> None:
        """Give back what came too late, without any thread seeing it."""
        for queue, raw in taken:
            unit = UnitOfWork(queue, raw)
            self.hand.add(unit)
            self._unsettled.append((unit, GivenBack()))

    def _collect(self) -> None:
        for unit, outcome in self._outbox.collect():
            self._running -= 1
            if unit.abandoned:
                self._events.emit("job.fenced", **unit.facts())
                continue
            self._unsettled.append((unit, outcome))
            self._duration += 0.1 * (max(unit.took, 1e-6) - self._duration)
            self._stale_since = None

    def _give_back_unstarted(self) -> None:
        # Newest first: each goes to the fetching end, so the oldest ends up next to be fetched.
        for unit in reversed(self._inbox.take_back()):
            self._running -= 1
            if not unit.abandoned:
                self._unsettled.append((unit, GivenBack()))

    def _give_back_stale(self, now: float) -> None:
        """A long job must never hold up jobs taken ahead of it: others may have idle threads."""
        unstarted = self._inbox.size()
        if not unstarted or self._running - unstarted < self._capsule.concurrency:
            self._stale_since = None
        elif self._stale_since is None:
            self._stale_since = now
        elif now - self._stale_since >= _STALE:
            self._give_back_unstarted()
            self._duration = max(self._duration, 1.0)
            self._stale_since = None

    # -- waiting

    def _wait(self) -> None:
        unstarted, low = self._inbox.size(), self._low()
        timeout = _LINGER if unstarted > low else _STALE if unstarted else _TICK
        readable = self._outbox.wait(self._blockers.descriptors(), timeout, low)
        self._rested = True
        arrived = self._blockers.arrived(readable)
        self._accept(arrived)
        if arrived:
            time.sleep(_HANDOVER)
        self._dry = self._dry and not self._blockers.rang(readable)

    # -- faults

    def _connect(self) -> Channel:
        main = Channel(self._client)
        main.open()
        self._main = main
        self._dry = False
        return main

    def _note_found(self) -> None:
        """Commands work again, which a connection alone does not prove."""
        if self._failures and not self._blockers.refused:
            self._failures = 0
            self._outage.found(self)

    def _hang_up(self) -> None:
        self._blockers.close()
        if self._main is not None:
            self._main.close()
            self._main = None

    def _lost(self, error: Exception) -> None:
        """Keep everything, wait, come back.  A reply may have been lost with the connection."""
        self._outage.lost(self, error)
        self._hang_up()
        self._note_quiet()  # a reply that was lost tells us of no job
        self._failures += 1
        self._audit_at = 0.0
        self._strangers.clear()
        for unit, _ in self._unsettled[:_SETTLE_MAX]:
            unit.asked_before = True
        if self._closing:
            # The stop goes on without Redis: what is unsettled stays in the in-flight list and is given back.
            self.closed = True
            return
        pause = min(1.0, 0.02 * 2 ** min(self._failures, 6))
        self._outbox.wait([], pause * random.uniform(0.5, 1.0), 0)

    def _audit(self, main: Channel) -> None:
        """Look for jobs in our in-flight lists that no reply ever told us of; give them back.

        Twice, some seconds apart: what is in the list now and not in hand may be on its way to us.
        """
        mine = Counter((unit.queue, unit.raw) for unit in self.hand)
        replies = main.call_all([("LRANGE", keys.inflight(self._identity, q), 0, -1) for q in self._queues])
        listed = Counter((q, raw) for q, reply in zip(self._queues, replies, strict=True) for raw in reply)
        strangers = listed - mine
        self._refuse(list((strangers & self._strangers).elements()))
        first = self._audit_at == 0.0
        self._strangers = strangers
        self._audit_at = monotonic() + _AUDIT_AFTER if first or strangers else float("inf")

    def _abandon(self) -> None:
        """We were given up: others run our jobs now.  Nothing we held may change anything any more."""
        self._events.emit("worker.fenced", identity=self._identity, jobs=len(self.hand))
        for unit in self.hand:
            unit.abandoned = True
        self.hand.clear()
        self._unsettled.clear()
        self._running -= len(self._inbox.take_back())
        self._hang_up()
        self._dry = False
        self._audit_at = 0.0
        self.epoch = self._lease.epoch

    def _report_broken(self, queue: str) -> None:
        self._events.emit("queue.broken", queue=queue)
