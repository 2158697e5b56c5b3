"""Gives the jobs of the dead back."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence

from jobsup import payload
from jobsup.clock import wall
from jobsup.config.model import QUARANTINE, Profile, hostname
from jobsup.errors import MalformedPayload
from jobsup.events import Events
from jobsup.jobs import retry_policy
from jobsup.keeper.judgement import (
    Bury,
    Cancel,
    Discard,
    Fail,
    GiveBack,
    Interrupt,
    Isolate,
    Judgement,
    Spare,
    WornOut,
    judge,
)
from jobsup.store import crashes, deaths, interruptions, keys, owners, scripts
from jobsup.store.connection import Client
from jobsup.store.scripts import Decided
from jobsup.unix import place
from jobsup.unix.link import Message


class Recovery:
    """Three ways to learn of a death, one way to act on it.

    1. ended        the parent reaped a worker: certain, and at once
    2. sweep_place  owners of this host's boot and pid namespace whose process is gone: certain; at start, so that
                    a supervisor that was killed with all its children finds their jobs when it comes back
    3. sweep        leases that have run out: hosts that vanished.  It also looks again at those given up lately
    """

    def __init__(self, client: Client, events: Events, profiles: Sequence[Profile]) -> None:
        self._client = client
        self._profiles = {profile.name: profile for profile in profiles}
        self._fallback = profiles[0]
        """For a worker of a profile that a reload has brought: we were told of those at our start."""
        self._queues = list(dict.fromkeys(queue for profile in profiles for queue in profile.queues))
        self._run = scripts.runner(client)
        self._events = events

    def ended(self, identity: str, facts: Message | None = None) -> tuple[int, float]:
        """Give back what *identity* held, as *facts*, the parent's words, tell.  Returns (jobs, seconds it took)."""
        begun = time.perf_counter()
        decided = self._decide(identity, facts) if facts and facts["running"] else []
        jobs = scripts.give_back(self._run, identity, decided=decided) or 0
        took = time.perf_counter() - begun
        if jobs:
            self._events.emit("keeper.gave_back", identity=identity, jobs=jobs, seconds=took)
        if facts and facts["death"]:
            deaths.note(self._client, hostname(), facts["death"])
        return jobs, took

    def sweep_place(self, start_of: Callable[[int], str] = place.start_of) -> None:
        here = place.here()
        for owner in owners.owners(self._client):
            if here and owner.place == here and not _lives(owner, start_of):
                self.ended(owner.identity)

    def sweep(self) -> None:
        late, swept = scripts.expired(self._run)
        for identity in late:
            # Checked again inside the script: it may have come back between the two.
            jobs = scripts.give_back(self._run, identity, only_if_expired=True)
            if jobs is not None:
                self._events.emit("keeper.swept", identity=identity, jobs=jobs)
        for identity in swept:
            jobs = scripts.give_back(self._run, identity, only_if_expired=True)
            if jobs:
                self._events.emit("keeper.swept", identity=identity, jobs=jobs)

    def vouch(self, identities: Sequence[str]) -> None:
        """The parent knows that *identities* live, though they do not beat."""
        scripts.vouch(self._run, identities)

    def suspects(self) -> dict[str, int]:
        """Queue of ours -> jobs that wait in its quarantine."""
        found = crashes.waiting(self._client, [queue + QUARANTINE for queue in self._queues])
        return {queue.removesuffix(QUARANTINE): jobs for queue, jobs in found.items()}

    def _decide(self, identity: str, facts: Message) -> list[Decided]:
        """What is to happen with the jobs that were running."""
        running: dict[int, list[Message]] = defaultdict(list)
        for told in facts["running"]:
            running[told["check"]].append(told)
        ran = []
        for queue, raw in crashes.held(self._client, identity):
            alike = running[zlib.crc32(raw)]
            if alike:
                ran.append((queue, raw, *_named(raw), alike.pop()))
        jids = [jid for _, _, jid, _, _ in ran]
        before = crashes.of(self._client, jids)
        counts = interruptions.of(self._client, jids)
        profile = self._profiles.get(facts["pool"].removesuffix(QUARANTINE), self._fallback)
        now = wall()
        decided: list[Decided] = []
        isolated = 0
        for (queue, raw, jid, klass, told), earlier, count in zip(ran, before, counts, strict=True):
            judgement = judge(
                queue,
                raw,
                cause=facts["cause"],
                alone=len(facts["running"]) == 1,
                before=earlier,
                verdict=facts["verdict"],
                now=now,
                wire=profile.wire,
                seconds=told["seconds"],
                over_limit=told["over_limit"],
                cancelled=told["cancelled"],
                interruptions=count,
                max_interruptions=profile.max_interruptions,
                max_retries=profile.max_retries,
            )
            isolated += isinstance(judgement, Isolate)
            self._tell(judgement, jid, klass, told["seconds"])
            if not isinstance(judgement, GiveBack):
                decided.append(_ordered(judgement, queue, raw, jid, profile, now))
        if isolated:
            self._events.emit("keeper.isolated", jobs=isolated, identity=identity)
        return decided

    def _tell(self, judgement: Judgement, jid: str, klass: str, seconds: float) -> None:
        match judgement:
            case Bury(kills=kills) | Discard(kills=kills):
                self._events.emit("job.poison", klass=klass, jid=jid, kills=kills)
            case Fail():
                self._events.emit("job.over_limit", klass=klass, jid=jid, seconds=seconds)
            case Cancel():
                self._events.emit("job.cancelled", klass=klass, jid=jid, seconds=seconds)
            case WornOut():
                self._events.emit("job.worn", klass=klass, jid=jid)


def _lives(owner: owners.Owner, start_of: Callable[[int], str]) -> bool:
    try:
        return start_of(owner.pid) == owner.start
    except PermissionError:
        return True  # not known, rather: its lease will tell


def _ordered(judgement: Judgement, queue: str, raw: bytes, jid: str, profile: Profile, now: float) -> Decided:
    """*judgement* as ``lua/give_back.lua`` reads it."""
    match judgement:
        case Isolate(queue=target, crash=crash) | Spare(queue=target, crash=crash):
            return ("q", queue, raw, target, keys.crashes(jid), crash.dump(), crashes.REMEMBERED)
        case Interrupt():
            return ("i", queue, raw, interruptions.counter(jid), keys.INTERRUPTIONS_TTL)
        case Fail(decision=retry_policy.RetryAt(when=when, payload=again)):
            return ("r", queue, raw, repr(when), again)
        case Bury(payload=dead) | Fail(decision=retry_policy.Bury(payload=dead)):
            return _dead(queue, raw, dead, profile, now)
        case WornOut(decision=retry_policy.Bury(payload=dead)):
            return _dead(queue, raw, dead, profile, now)
        case _:
            return ("x", queue, raw)


def _dead(queue: str, raw: bytes, dead: bytes, profile: Profile, now: float) -> Decided:
    since = repr(now - profile.dead_timeout_in_seconds)
    return ("d", queue, raw, repr(now), dead, since, -profile.dead_max_jobs)


def _named(raw: bytes) -> tuple[str, str]:
    """(jid, class); a job without a jid is known by its payload."""
    try:
        job = payload.loads(raw, payload.WIDEST)
    except MalformedPayload:
        job = {}
    return str(job.get("jid") or hashlib.sha256(raw).hexdigest()), str(job.get("class", ""))
