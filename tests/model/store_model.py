"""What Redis must hold: the scripts and commands of ``store/`` on plain lists and dictionaries, one method each.

A list's first item is its left end: the newest of a queue, the last taken of an in-flight list.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobsup.errors import Fenced
from jobsup.store import keys
from jobsup.store.scripts import Decided, Settlement, Turn


def jid(payload: bytes) -> str:
    return str(json.loads(payload)["jid"])


@dataclass
class Unit:
    """A job in a worker's hand; *settlement* once its outcome is known."""

    queue: str
    payload: bytes
    settlement: Settlement | None = None


@dataclass
class Worker:
    identity: str
    hand: list[Unit] = field(default_factory=list)


@dataclass
class Sweeper:
    """What it saw when it looked, not yet acted on."""

    late: list[str] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)


class Model:
    """The whole keyspace, and how many runs each job is owed.

    Attributes:
        owed: by jid, how many copies of it were enqueued and have come to no end.
        leases: identity -> whether it has run out.
        swept: identity -> whether it was given up long ago.
        broken: queues whose key is no list.
    """

    def __init__(self) -> None:
        self.owed: Counter[str] = Counter()
        self.lists: defaultdict[str, list[bytes]] = defaultdict(list)
        self.sets: dict[str, dict[bytes, float]] = {keys.SCHEDULE: {}, keys.RETRY: {}, keys.DEAD: {}}
        self.queues: set[str] = set()
        self.broken: set[str] = set()
        self.leases: dict[str, bool] = {}
        self.swept: dict[str, bool] = {}
        self.owners: set[str] = set()
        self.processes: set[str] = set()
        self.records: set[str] = set()
        self.work: dict[str, dict[bytes, bytes]] = {}
        self.counts: Counter[str] = Counter()
        self.iterations: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict)

    # clients and people

    def push(self, jobs: Mapping[str, Sequence[bytes]]) -> bool:
        """False where one of the queues would not take them; the others did."""
        self.queues.update(jobs)
        for queue, payloads in jobs.items():
            if queue not in self.broken:
                for payload in payloads:
                    self.lists[keys.queue(queue)].insert(0, payload)
                    self.owed[jid(payload)] += 1
        return not self.broken & jobs.keys()

    def schedule(self, jobs: Sequence[tuple[float, bytes]]) -> None:
        for when, payload in jobs:
            self.owed[jid(payload)] += payload not in self.sets[keys.SCHEDULE]
            self.sets[keys.SCHEDULE][payload] = when

    def remove(self, source: str, member: bytes) -> bool:
        found = self.sets[source].pop(member, None) is not None
        self.owed[jid(member)] -= found
        return found

    def remove_job(self, queue: str, payload: bytes) -> bool:
        found = self._drop(keys.queue(queue), payload)
        self.owed[jid(payload)] -= found
        return found

    def kill(self, source: str, member: bytes, now: float) -> bool:
        if self.sets[source].pop(member, None) is None:
            return False
        self.sets[keys.DEAD][member] = now
        return True

    def enqueue_due(self, source: str, now: float, jobs: Sequence[tuple[bytes, str, bytes]]) -> int:
        moved = [job for job in jobs if self.sets[source].pop(job[0], None) is not None]
        for member, queue, payload in moved:
            if queue in self.broken:
                self.sets[keys.DEAD][member] = now
            else:
                self.lists[keys.queue(queue)].insert(0, payload)
                self.queues.add(queue)
        return len(moved)

    def due(self, source: str, now: float) -> list[bytes]:
        return [member for when, member in sorted((when, m) for m, when in self.sets[source].items()) if when <= now]

    # workers

    def register(self, identity: str) -> None:
        self.swept.pop(identity, None)
        self.leases[identity] = False
        self.owners.add(identity)

    def turn(
        self, identity: str, settlements: Sequence[Settlement], shares: Sequence[tuple[str, int]], wanted: int
    ) -> Turn:
        """The queues of *shares* are the fallbacks as well."""
        if identity not in self.leases:
            raise Fenced(identity)
        flags = [self._settle(identity, *settlement) for settlement in settlements]
        broken: list[str] = []
        taken: list[tuple[str, bytes]] = []
        for queue, count in (*shares, *((queue, wanted) for queue, _ in shares)):
            free = min(count, wanted - len(taken))
            if free <= 0:
                continue
            if queue in self.broken:
                broken.append(queue)
            for _ in range(min(free, len(self.lists[keys.queue(queue)]))):
                payload = self.lists[keys.queue(queue)].pop()
                self.lists[keys.inflight(identity, queue)].insert(0, payload)
                taken.append((queue, payload))
        return Turn([flag > 0 for flag in flags], [flag > 1 for flag in flags], broken, taken)

    def move(self, identity: str, queue: str) -> None:
        """A blocking move."""
        if self.lists[keys.queue(queue)]:
            self.lists[keys.inflight(identity, queue)].insert(0, self.lists[keys.queue(queue)].pop())

    def beat(self, identity: str, processed: int, failed: int, work: Mapping[str, bytes]) -> bytes | None:
        if identity not in self.leases:
            raise Fenced(identity)
        self.leases[identity] = False
        self.counts[keys.PROCESSED] += processed
        self.counts[keys.FAILED] += failed
        self.work[identity] = {name.encode(): entry for name, entry in work.items()}
        self.processes.add(identity)
        self.records.add(identity)
        signals = self.lists[keys.signals(identity)]
        return signals.pop() if signals else None

    def leave(self, identity: str) -> int:
        left = sum(len(found) for found in self.held(identity).values())
        self.processes.discard(identity)
        self.work.pop(identity, None)
        if left == 0:
            self.leases.pop(identity, None)
            if identity in self.owners:
                self.swept[identity] = False
        return left

    def checkpoint(self, identity: str, queue: str, payload: bytes, executions: int) -> int:
        if payload not in self.lists[keys.inflight(identity, queue)]:
            return 0
        state = self.iterations[jid(payload)]
        state |= {b"ex": str(executions).encode(), b"c": str(executions).encode(), b"rt": b"0.5"}
        return 2 if b"cancelled" in state else 1

    def cancel(self, job: str, now: int) -> float:
        state = self.iterations[job]
        state.setdefault(b"cancelled", str(now).encode())
        state.setdefault(b"c", b"null")
        return float(state[b"cancelled"])

    # keepers

    def held(self, identity: str) -> dict[str, list[bytes]]:
        """Its in-flight lists, by queue."""
        prefix = keys.inflight(identity, "")
        return {key.removeprefix(prefix): held for key, held in self.lists.items() if key.startswith(prefix) and held}

    def give_back(self, identity: str, *, only_if_expired: bool, decided: Sequence[Decided] = ()) -> int | None:
        if only_if_expired and self.leases.get(identity) is False:
            return None
        self.leases.pop(identity, None)
        moved = sum(self._decided(identity, *job) for job in decided)
        held = self.held(identity) if identity in self.owners else {}
        for queue in held.keys() - self.broken:
            self.lists[keys.queue(queue)] += held[queue]
            self.lists[keys.inflight(identity, queue)] = []
            self.queues.add(queue)
            moved += len(held[queue])
        self.processes.discard(identity)
        self.work.pop(identity, None)
        if identity not in self.swept:
            if identity in self.owners:
                self.swept[identity] = False
        elif self.swept[identity] and not held.keys() & self.broken:
            del self.swept[identity]
            self.owners.discard(identity)
        return moved

    # parts of the above

    def _drop(self, key: str, payload: bytes, *, oldest: bool = False) -> bool:
        found = self.lists[key]
        if payload not in found:
            return False
        del found[len(found) - 1 - found[::-1].index(payload) if oldest else found.index(payload)]
        return True

    def _settle(self, identity: str, action: str, queue: str, payload: bytes, *rest: Any) -> int:
        """0: it was not ours; 1: it was; 2: it was, and had been interrupted too often."""
        inflight = keys.inflight(identity, queue)
        if not self._drop(inflight, payload, oldest=action not in "bi"):
            return 0
        if action == "i":
            self.counts[rest[0].decode()] += 1
            if self.counts[rest[0].decode()] > rest[1]:
                del self.counts[rest[0].decode()]
                self._bury(payload, rest[3], rest[4])
                return 2
        if action in "bi":
            if queue in self.broken:
                self.lists[inflight].insert(0, payload)
            else:
                self.lists[keys.queue(queue)].append(payload)
        elif action == "r":
            self._record(keys.RETRY, payload, rest[0], rest[1])
        elif action == "d":
            self._bury(payload, rest[0], rest[1])
        else:
            self.owed[jid(payload)] -= 1
            if action == "f":
                self.iterations.pop(jid(payload), None)
        return 1

    def _decided(self, identity: str, action: str, queue: str, payload: bytes, *rest: Any) -> bool:
        """Whether it left the in-flight list."""
        inflight = keys.inflight(identity, queue)
        if payload not in self.lists[inflight]:
            return False
        if action == "i":
            self.counts[rest[0].decode()] += 1
            return False
        self._drop(inflight, payload)
        if action == "q" and rest[0] in self.broken:
            self.lists[inflight].insert(0, payload)
            return False
        if action == "q":
            target, crashes, record, _ = rest
            self.lists[keys.queue(target)].append(payload)
            self.queues.add(target)
            self.lists[crashes] = [record.encode(), *self.lists[crashes]][:10]
        elif action == "r":
            self._record(keys.RETRY, payload, rest[0], rest[1])
        elif action == "d":
            self._bury(payload, rest[0], rest[1])
        else:
            self.owed[jid(payload)] -= 1
        return True

    def _bury(self, payload: bytes, score: str, dead: bytes) -> None:
        """Into the dead set as *dead*; where that is empty, nowhere."""
        if dead:
            self._record(keys.DEAD, payload, score, dead)
        else:
            self.owed[jid(payload)] -= 1

    def _record(self, target: str, payload: bytes, score: str, entry: bytes) -> None:
        """A push that was asked again may bring two copies with the same bytes into one worker's list: what is told
        twice of the one then takes the other, and both become one entry.  The job is there.
        """
        self.owed[jid(payload)] -= entry in self.sets[target]
        self.sets[target][entry] = float(score)
