"""The thread that keeps the lease, publishes what the process does, and hears what Sidekiq's Web UI asks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from jobsup.clock import Deadline, boottime, wall
from jobsup.config.model import Profile
from jobsup.errors import Fenced, RedisRefused, RedisUnavailable
from jobsup.store import durations, processes, scripts
from jobsup.store.connection import Client
from jobsup.unix import place, process
from jobsup.worker.counters import Counters
from jobsup.worker.lease import BEAT_EVERY, Lease, Outage
from jobsup.worker.measures import Measures
from jobsup.worker.unit import UnitOfWork

_RETRY = 1.0
"""Seconds between beats while Redis is away."""


class Heartbeat:
    """One beat now, then one every few seconds until the very last settlement.

    1. register   before the first fetch, and again after we were given up
    2. beat       lease, record, work entries, counters, in one round trip; act on the signal that comes back
    3. leave      the last act: flush the counters, deregister

    A process that drains goes on beating: others must not take its jobs while it works on them.
    """

    def __init__(
        self,
        *,
        client: Client,
        identity: str,
        hostname: str,
        generation: int,
        profile: Profile,
        lease: Lease,
        outage: Outage,
        counters: Counters,
        measures: Measures,
        running: Callable[[], dict[str, UnitOfWork]],
        abandoned: Callable[[], bool],
        on_signal: Callable[[str], None],
        on_registered: Callable[[], None],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._client = client
        self._run = scripts.runner(client)
        self._identity = identity
        self._profile = profile
        self._lease = lease
        self._outage = outage
        self._counters = counters
        self._measures = measures
        self._running = running
        self._abandoned = abandoned
        self._on_signal = on_signal
        self._on_registered = on_registered
        self._on_crash = on_crash
        # Now: later there may be no descriptor to look with, and a wrong answer would be taken for a dead process.
        self._place, self._start = place.here(), place.start_of(os.getpid())
        self._info = processes.info(
            profile,
            identity=identity,
            hostname=hostname,
            pid=os.getpid(),
            started_at=wall(),
            generation=generation,
        )
        self._rtt_us = 0
        self._poked = threading.Event()
        self._leaving = False
        self._healthy = False
        self._version_known = not profile.version
        self.quiet = False
        self._thread = threading.Thread(target=self._beat_forever, name="jobsup-heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def poke(self) -> None:
        """Beat now: something that others see has changed."""
        self._poked.set()

    def first(self) -> bool:
        """Register and beat once, in the calling thread.  False when Redis is away: the thread goes on trying."""
        self._healthy = self._try()
        return self._healthy

    def leave(self, deadline: Deadline) -> int | None:
        """End the thread and deregister.  Jobs still in flight, or None when Redis did not say."""
        self._leaving = True
        self.poke()
        self._thread.join(deadline.remaining())
        if self._thread.is_alive() or not self._lease.registered:
            return None
        try:
            self._beat()
            return scripts.leave(self._run, self._identity, wire=self._profile.wire, queues=self._profile.queues)
        except (RedisUnavailable, RedisRefused, Fenced):
            return None  # the record expires, and the lease: whatever is left is given back then

    def _beat_forever(self) -> None:
        try:
            while not self._leaving:
                self._poked.wait(BEAT_EVERY if self._healthy else _RETRY)
                self._poked.clear()
                if not self._leaving:
                    self._healthy = self._try()
        except BaseException as error:  # noqa: BLE001  without beats this process would only seem to work
            self._on_crash(error)

    def _try(self) -> bool:
        epoch = self._lease.epoch
        try:
            if not self._lease.registered:
                # Only when every thread has let go of what the former life held: a late settlement of it
                # must not meet the same job taken anew.
                if not self._abandoned():
                    return False
                self._register()
            self._beat()
        except Fenced:
            self._lease.fence(epoch)
            self._on_registered()
            return False
        except (RedisUnavailable, RedisRefused) as error:
            self._outage.lost(self, error)
            return False
        self._outage.found(self)
        return True

    def _register(self) -> None:
        asked_at = boottime()
        processes.register(
            self._run,
            self._identity,
            lease=scripts.LEASE,
            queues=self._profile.queues,
            place=self._place,
            pid=os.getpid(),
            start=self._start,
        )
        self._lease.confirmed(asked_at)
        self._on_registered()

    def _beat(self) -> None:
        work = {name: processes.work_entry(unit.queue, unit.raw, unit.run_at) for name, unit in self._running().items()}
        processed, failed = self._counters.peek()
        record = processes.record(
            self._info,
            concurrency=self._profile.concurrency,
            busy=len(work),
            beat=wall(),
            rtt_us=self._rtt_us,
            quiet=self.quiet,
            rss=process.resident_bytes(os.getpid()) // 1024,
        )
        asked_at, begun = boottime(), time.perf_counter()
        signal = scripts.beat(
            self._run,
            self._identity,
            lease=scripts.LEASE,
            wire=self._profile.wire,
            date=time.strftime("%Y-%m-%d", time.gmtime()),
            processed=processed,
            failed=failed,
            work=work,
            record=record,
        )
        self._rtt_us = int((time.perf_counter() - begun) * 1e6)
        self._counters.flushed(processed, failed)
        self._lease.confirmed(asked_at)
        self._make_version_known()
        self._flush_measures()
        if signal is not None:
            self._on_signal(signal)
            self.poke()  # a beat brings one; more may wait behind it

    def _make_version_known(self) -> None:
        """After the record: who reads the versions first finds it."""
        if self._version_known:
            return
        try:
            processes.note_version(self._client, self._profile.version, wall())
        except (RedisUnavailable, RedisRefused):
            return  # with the next beat
        self._version_known = True

    def _flush_measures(self) -> None:
        """Behind the beat and by itself: nothing that goes wrong with it may cost the lease."""
        batch = self._measures.take()
        if not batch:
            return
        try:
            durations.flush(self._client, self._profile.name, self._profile.wire, wall(), batch)
        except (RedisUnavailable, RedisRefused):
            self._measures.put_back(batch)  # the next beat tells whether Redis is there
