"""The keeper process: Redis housekeeping for one supervisor."""

from __future__ import annotations

import contextlib
import heapq
import os
import random
import select
import signal
from functools import partial
from typing import TYPE_CHECKING

from jobsup.clock import monotonic, wall
from jobsup.config.address import parse
from jobsup.config.model import Config
from jobsup.errors import RedisRefused, RedisUnavailable
from jobsup.events import Events
from jobsup.exits import Exit
from jobsup.keeper import health, http
from jobsup.keeper.figures import Gatherer
from jobsup.keeper.lead import Lead
from jobsup.keeper.recovery import Recovery
from jobsup.keeper.scheduler import Scheduler
from jobsup.log import Logger
from jobsup.payload import limits_of
from jobsup.store import durations, owners, scripts, server
from jobsup.store.connection import connect, primary
from jobsup.unix import proctitle
from jobsup.unix.link import Link, Message
from jobsup.unix.pulse import Pulse
from jobsup.unix.wakeup import Wakeup

if TYPE_CHECKING:
    from jobsup.keeper.metrics import Exposition, Known

_SWEEP_EVERY = 2.0
"""Seconds between looks for leases that have run out."""
_SPARED = 5.0
"""Seconds after an outage in which no lease is judged.  Their owners could not renew them either, and need up to a
second to try again and three to give up a dead connection."""
_SOON = 0.01
"""Seconds from one look at the schedule to the next, at least, when the first one rang."""
_MEASURE_EVERY = 300.0
"""Seconds between readings of how long jobs take: it changes slowly."""
_MOST_CLASSES = 100
"""Classes that the parent is told of: those that took most of the time."""
_RETRY = 0.5
"""Seconds between tries while Redis is away."""


def run(link_fd: int, pulse: Pulse) -> int:
    """The body of ``python -m jobsup.assembly keeper``."""
    # The parent decides when we stop.  A TERM sent to the whole group must not end the process that gives jobs back;
    # the one that arrives when the parent died says the same as the end of the link.
    wakeup = Wakeup(signal.SIGTERM, signal.SIGINT)
    proctitle.set_title(proctitle.keeper())
    link = Link.from_fd(link_fd, blocking=True)
    messages = _first_messages(link)
    if not messages:
        return Exit.OK
    start, *later = messages
    # While their files are there and can be opened: after a deploy, or without a descriptor, they may not.
    scripts.load()
    config = Config.load(start["config"])
    events = Events()
    events.subscribe(Logger("keeper", form=config.log_format, level="debug" if config.verbose else "info"))
    try:
        for sentence in server.probe(config.redis_url):
            if start["first"]:
                events.emit("redis.warning", sentence=sentence)
    except RedisUnavailable as error:
        if start["first"]:
            link.send("fatal", sentence=str(error), exit=int(Exit.UNAVAILABLE))
            return Exit.UNAVAILABLE
    except RedisRefused as error:
        code = Exit.NO_PERMISSION if "credentials" in str(error) else Exit.UNAVAILABLE
        if start["first"]:
            link.send("fatal", sentence=str(error), exit=int(code))
            return code
    try:
        keeper = Keeper(link, wakeup, config, pulse, events, start["ended"])
    except RedisRefused as error:
        events.emit("redis.lost", error=str(error))
        return Exit.UNAVAILABLE
    try:
        keeper.serve()
    except OSError as error:
        sentence = f"health: {config.health} cannot be listened on: {error.strerror}; choose another (--health)"
        if start["first"]:
            link.send("fatal", sentence=sentence, exit=int(Exit.CANT_CREATE))
            return Exit.CANT_CREATE
        events.emit("health.unserved", address=config.health, error=error.strerror)
    # Who died while we were being started was told of in the same breath.
    for message in later:
        keeper.hear(message)
    return keeper.run()


def _first_messages(link: Link) -> list[Message]:
    """Waits; empty when the parent is gone."""
    messages: list[Message] = []
    while not messages and not link.closed:
        messages = [message for message, _fds in link.receive()]
    return messages


class Keeper:
    """One thread, one thing after the other, the dead first.

    1. ended     what the parent reaped, answered with ``gave_back``
    2. sweep     leases that have run out
    3. schedule  jobs whose time has come
    4. measure   how long jobs take, for the parent
    5. gather    what waits, for the metrics

    Redis being away delays all of it and loses none: what was not done is done when it is back.  Probes and scrapes do
    not wait for Redis: they are answered in a thread of their own, from what is known.
    """

    def __init__(
        self, link: Link, wakeup: Wakeup, config: Config, pulse: Pulse, events: Events, ended: list[Message]
    ) -> None:
        self._link = link
        self._wakeup = wakeup
        self._pulse = pulse
        self._server: http.Server | None = None
        self._served = ""
        self._events = events
        self._gatherer = Gatherer(events)
        self._suspects: dict[str, int] = {}
        self._configure(config)
        self._ended = ended
        self._vouched: list[str] = []
        self._swept_place = False
        self._ready = False
        self._sweep_at = 0.0
        self._schedule_at = 0.0
        self._looked_at = 0.0
        self._rang = False
        self._measure_at = 0.0
        self._away_since: float | None = None
        self._primary: str | None = None
        self._stopping = False

    def serve(self) -> None:
        """Answer probes and scrapes where the configuration says, and nowhere else.

        Raises:
            OSError: the address cannot be had.
        """
        address = self._config.health
        if address == self._served:
            return
        if self._server is not None:
            self._server.close()
        self._server, self._served = None, ""
        if address:
            # Not before: prometheus-client takes a tenth of a second, which would delay every start.
            from jobsup.keeper.metrics import Exposition

            page = partial(self._page, Exposition())
            self._server, self._served = http.Server(parse(address), page), address
            self._server.start()
            self._events.emit("health.served", address=address)

    def _page(self, exposition: Exposition, path: str) -> http.Page | None:
        """Called in the server's thread: it reads what others replace as a whole, and waits for nobody."""
        now = monotonic()
        if path == "/metrics":
            return exposition.page(lambda: self._known(now), now)
        return health.page(path, self._pulse.read(), redis=self._away_since is None, now=now)

    def _known(self, now: float) -> Known:
        from jobsup.keeper.metrics import Known, pool_names

        config = self._config
        return Known(
            config,
            facts=self._pulse.read(),
            pools=self._pulse.pools(*pool_names(config)),
            figures=self._gatherer.fresh(now),
            redis=self._away_since is None,
            now=now,
        )

    def _configure(self, config: Config) -> None:
        self._config = config
        self._client = connect(config.redis_url)
        self._gatherer.configure(self._client, config)
        self._recovery = Recovery(self._client, self._events, config.profiles)
        self._scheduler = Scheduler(
            self._client,
            config.profiles[0].wire,
            limits_of(config.profiles),
            lead=Lead(self._client, os.getppid()),
            events=self._events,
            poll=min(profile.average_scheduled_poll_interval for profile in config.profiles),
        )

    def _reconfigure(self, config: Config) -> None:
        self._scheduler.close()
        self._schedule_at = 0.0
        try:
            self._configure(config)
        except RedisRefused as error:  # a file that the URL names is gone; the new workers say so too
            self._events.emit("redis.warning", sentence=f"The keeper goes on with its old settings: {error}")
            return
        try:
            self.serve()
        except OSError as error:
            self._events.emit("health.unserved", address=config.health, error=error.strerror)

    def hear(self, message: Message) -> None:
        """Take note of what the parent says."""
        if message["op"] == "ended":
            self._ended.append(message)
        elif message["op"] == "vouch":
            self._vouched = message["identities"]
        elif message["op"] == "config":
            self._reconfigure(Config.load(message["config"]))
        elif message["op"] == "stop":
            self._stopping = True

    def run(self) -> int:
        while not self._stopping:
            try:
                self._work()
                self._found()
                self._tell_primary()
                timeout = max(0.0, min(self._sweep_at, self._schedule_at, self._measure_at) - monotonic())
            except (RedisUnavailable, RedisRefused) as error:
                self._lost(error)
                timeout = _RETRY
            self._announce()
            self._listen(timeout)
        if self._away_since is None:
            with contextlib.suppress(RedisUnavailable, RedisRefused):  # then the lead is taken when its lease is over
                self._scheduler.leave()
        return Exit.OK

    def _announce(self) -> None:
        # Ready also when Redis is away: from here on every death is taken note of.
        if not self._ready:
            self._ready = True
            self._link.send("ready")

    def _work(self) -> None:
        if self._away_since is not None:
            owners.prove_writable(self._client)
            self._sweep_at = monotonic() + _SPARED
        while self._ended:
            facts = self._ended[0]
            jobs, seconds = self._recovery.ended(facts["identity"], facts)
            self._ended.pop(0)
            self._link.send("gave_back", identity=facts["identity"], jobs=jobs, seconds=seconds)
        if not self._swept_place:
            self._recovery.sweep_place()
            self._swept_place = True
        if self._vouched:
            self._recovery.vouch(self._vouched)
            self._vouched = []
        now = monotonic()
        if now >= self._sweep_at:
            self._recovery.sweep()
            # Nobody may be at work on them: who was to be may have died since.
            self._suspects = self._recovery.suspects()
            if self._suspects:
                self._link.send("suspects", queues=self._suspects)
            self._sweep_at = now + _SWEEP_EVERY * random.uniform(0.9, 1.1)
        if self._rang:
            self._rang = False
            self._scheduler.hear()
            # A moment later: whoever schedules one job schedules more, and each look would be worth one of them.
            self._schedule_at = min(self._schedule_at, self._looked_at + _SOON)
        if now >= self._schedule_at:
            self._looked_at = now
            self._schedule_at = now + self._scheduler.step()
        if self._ready and now >= self._measure_at:
            self._tell_durations()
            self._measure_at = now + _MEASURE_EVERY
        self._gatherer.gather(self._suspects)

    def _tell_durations(self) -> None:
        """So that the parent, which never asks Redis, can tell what a drain will come to."""
        found = durations.read(self._client, wall()).by_class()
        most = heapq.nlargest(_MOST_CLASSES, found.items(), key=lambda item: item[1].total)
        self._link.send("durations", classes={klass: measured.counts for klass, measured in most})
        self._events.emit("keeper.measured", classes=len(found))

    def _listen(self, timeout: float) -> None:
        poll = select.poll()
        bell = self._scheduler.fileno()
        for fd in (self._link.fileno(), self._wakeup.fileno(), *(() if bell is None else (bell,))):
            poll.register(fd, select.POLLIN)
        readable = {fd for fd, _ in poll.poll(timeout * 1000)}
        self._wakeup.drain()
        self._rang = bell in readable
        if self._link.fileno() not in readable:
            return
        for message, _fds in self._link.receive():
            self.hear(message)
        # Without a parent nobody tells us of deaths; the leases and the next start take care of them.
        self._stopping = self._stopping or self._link.closed

    def _lost(self, error: Exception) -> None:
        self._scheduler.close()
        self._gatherer.forget()
        if self._away_since is None:
            self._away_since = monotonic()
            self._events.emit("redis.lost", error=str(error))
            self._link.send("lost_redis")

    def _found(self) -> None:
        if self._away_since is not None:
            seconds = monotonic() - self._away_since
            self._away_since = None
            self._events.emit("redis.found", seconds=seconds)
            self._link.send("found_redis", seconds=seconds)

    def _tell_primary(self) -> None:
        """For who reads the log: which of the servers it is, at the start and after each failover."""
        address = primary(self._client)
        if address != self._primary:
            self._primary = address
            self._events.emit("redis.primary", address=address)
