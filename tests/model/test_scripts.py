"""The Redis scripts against a model in memory: workers, sweepers, keepers, schedulers and people interleaved.

Whoever looks and acts does both as steps of their own, so that anything may happen in between.  A worker's command may
be answered, lose its reply, or arrive long after the worker gave it up.  After every step the whole keyspace is
compared with the model; at the end of every example everything runs to its end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyspace
import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from store_model import Model, Sweeper, Unit, Worker, jid

from conftest import Server
from jobsup.errors import Fenced, RedisRefused
from jobsup.store import connection, crashes, interruptions, iteration, keys, owners, processes, queues, repair, scripts
from jobsup.store.scripts import Decided, Settlement

QUEUES = ("a", "b", "a.quarantine")
BREAKABLE = ("b", "a.quarantine")
SOURCES = (keys.SCHEDULE, keys.RETRY)
ENTRIES = "0", -10_000
"""What a settlement says of the dead set's trimming: nothing is dropped."""

picks = st.integers(0, 1_000)
"""One of what there is when the step is taken, which nobody knows before."""
workers = st.integers(0, 2)
agents = st.integers(0, 1)
fates = st.sampled_from(["answered", "answered", "lost", "late"])
outcomes = st.sampled_from(["a", "a", "f", "b", "i", "r", "d"])
judgements = st.lists(st.sampled_from(["", "q", "d", "r", "x", "i"]), min_size=4, max_size=4)


def pick(found: Any, number: int) -> Any:
    ordered = sorted(found)
    return ordered[number % len(ordered)]


class Store(RuleBasedStateMachine):
    client: redis.Redis

    @initialize()
    def begin(self) -> None:
        self.client.flushall()
        self.run = scripts.runner(self.client)
        self.model = Model()
        self.serial = 0
        self.now = 1_000.0
        self.workers = [self.newborn() for _ in range(3)]
        self.recent: set[str] = set()
        """Identities a blocking move of which may still be under way."""
        self.dead: set[str] = set()
        self.wire: list[tuple[str, list[Settlement], list[tuple[str, int]], int]] = []
        self.sweepers = [Sweeper(), Sweeper()]
        self.told: list[tuple[str, list[Decided]]] = []
        self.pages: list[tuple[str, list[bytes]]] = [(keys.SCHEDULE, []), (keys.RETRY, [])]
        self.people: tuple[str, list[bytes]] = (keys.RETRY, [])
        for worker in range(3):
            self.registers(worker, False)
        self.pushes(2, {"a", "b"}, False)
        self.schedules(-1, False)
        for worker in range(2):
            self.turns(worker, [], ["a", "b"], 2, "answered")

    def newborn(self) -> Worker:
        self.serial += 1
        return Worker(f"host:{self.serial}:nonce")

    def payload(self, job: str = "") -> bytes:
        """A new one, of a new job or of *job*."""
        self.serial += 1
        return json.dumps({"jid": job or f"j{self.serial}", "n": self.serial}).encode()

    # clients

    @rule(count=st.integers(1, 3), spread=st.sets(st.sampled_from(QUEUES[:2]), min_size=1), again=st.booleans())
    def pushes(self, count: int, spread: set[str], again: bool) -> None:
        jobs = {queue: [self.payload() for _ in range(count)] for queue in sorted(spread)}
        for _ in range(1 + (again and count == 1)):  # its reply was lost: the documented second copy
            try:
                queues.Pusher(self.client).push(jobs)
                accepted = True
            except RedisRefused:
                accepted = False
            assert accepted == self.model.push(jobs)

    @rule(delay=st.integers(-5, 20), again=st.booleans())
    def schedules(self, delay: int, again: bool) -> None:
        jobs = [(self.now + delay, self.payload())]
        for _ in range(1 + again):
            queues.Pusher(self.client).push({}, jobs)
            self.model.schedule(jobs)

    # workers

    @rule(worker=workers, again=st.booleans())
    def registers(self, worker: int, again: bool) -> None:
        me = self.workers[worker]
        if me.identity not in self.model.leases:
            me.hand.clear()  # what the former life held is let go of first
        for _ in range(1 + again):
            processes.register(self.run, me.identity, lease=15, queues=QUEUES, place="", pid=1, start="")
            self.model.register(me.identity)
        self.recent.add(me.identity)

    @rule(
        worker=workers,
        ends=st.lists(outcomes, max_size=3),
        queue_order=st.permutations(QUEUES),
        wanted=st.integers(0, 3),
        fate=fates,
    )
    def turns(self, worker: int, ends: list[str], queue_order: list[str], wanted: int, fate: str) -> None:
        me = self.workers[worker]
        for unit, action in zip(me.hand, ends, strict=False):
            unit.settlement = unit.settlement or self.settlement(unit, action)
        ended = [unit for unit in me.hand if unit.settlement is not None]
        settlements = [unit.settlement for unit in ended if unit.settlement is not None]
        shares = [(queue, 1) for queue in queue_order[:wanted]]
        if fate == "late":
            self.wire.append((me.identity, settlements, shares, wanted))
            return
        turn = self.turn(me.identity, settlements, shares, wanted)
        if turn is None:
            me.hand.clear()
        elif fate == "answered":
            me.hand = [unit for unit in me.hand if unit.settlement is None]
            me.hand += [Unit(queue, payload) for queue, payload in turn.taken]

    def settlement(self, unit: Unit, action: str) -> Settlement:
        job, again = jid(unit.payload), self.payload(jid(unit.payload))
        if action == "f":
            return iteration.completion(unit.queue, unit.payload, job)
        if action == "i":
            buried = again if self.serial % 2 else b""
            return scripts.interruption(unit.queue, unit.payload, job, 1, (repr(self.now), buried, *ENTRIES))
        rest = {"r": (repr(self.now + 5), again), "d": (repr(self.now), again, *ENTRIES)}.get(action, ())
        return (action, unit.queue, unit.payload, *rest)

    def turn(
        self, identity: str, settlements: list[Settlement], shares: list[tuple[str, int]], wanted: int
    ) -> scripts.Turn | None:
        """None: it was fenced."""
        try:
            expected = self.model.turn(identity, settlements, shares, wanted)
        except Fenced:
            with pytest.raises(Fenced):
                scripts.turn(self.run, identity, settlements, shares, [queue for queue, _ in shares], wanted)
            return None
        found = scripts.turn(self.run, identity, settlements, shares, [queue for queue, _ in shares], wanted)
        assert found == expected
        return found

    @precondition(lambda self: self.wire)
    @rule(number=picks)
    def a_command_arrives_after_it_was_given_up(self, number: int) -> None:
        self.turn(*self.wire.pop(number % len(self.wire)))

    @precondition(lambda self: self.recent)
    @rule(number=picks, queue=st.sampled_from(QUEUES))
    def a_blocking_move_completes_and_its_reply_is_lost(self, number: int, queue: str) -> None:
        identity = pick(self.recent, number)
        if queue not in self.model.broken:
            self.client.lmove(keys.queue(queue), keys.inflight(identity, queue), "RIGHT", "LEFT")
            self.model.move(identity, queue)

    @rule(worker=workers)
    def finds_what_no_reply_told_it_of_and_gives_it_back(self, worker: int) -> None:
        me = self.workers[worker]
        listed = Counter(crashes.held(self.client, me.identity))
        strangers = listed - Counter((unit.queue, unit.payload) for unit in me.hand)
        self.turn(me.identity, [("b", queue, payload) for queue, payload in strangers.elements()], [], 0)

    @rule(worker=workers, processed=st.integers(0, 3), failed=st.integers(0, 2), again=st.booleans())
    def beats(self, worker: int, processed: int, failed: int, again: bool) -> None:
        me = self.workers[worker]
        work = {f"p{n}": unit.payload for n, unit in enumerate(me.hand)}
        for _ in range(1 + again):  # counters of a beat whose reply was lost are told twice
            try:
                expected = self.model.beat(me.identity, processed, failed, work)
            except Fenced:
                with pytest.raises(Fenced):
                    self.beat(me.identity, processed, failed, work)
                me.hand.clear()
                return
            assert self.beat(me.identity, processed, failed, work) == (expected.decode() if expected else None)

    def beat(self, identity: str, processed: int, failed: int, work: dict[str, bytes]) -> str | None:
        facts: dict[str, Any] = {"lease": 15, "wire": 8, "date": "2026-11-23", "record": {"beat": "1.0"}}
        return scripts.beat(self.run, identity, processed=processed, failed=failed, work=work, **facts)

    @precondition(lambda self: any(worker.hand for worker in self.workers))
    @rule(number=picks, executions=st.integers(1, 3))
    def keeps_its_place(self, number: int, executions: int) -> None:
        me = next(worker for worker in (*self.workers[number % 3 :], *self.workers) if worker.hand)
        unit = me.hand[number % len(me.hand)]
        state = iteration.State(executions, executions, 0.5)
        names = {"identity": me.identity, "queue": unit.queue, "taken": unit.payload}
        kept = iteration.checkpoint(self.run, jid(unit.payload), state, **names)
        assert kept == self.model.checkpoint(me.identity, unit.queue, unit.payload, executions)

    @rule(worker=workers)
    def leaves(self, worker: int) -> None:
        identity = self.workers[worker].identity
        assert scripts.leave(self.run, identity, wire=8, queues=QUEUES) == self.model.leave(identity)
        self.dies(worker)

    @rule(worker=workers)
    def dies(self, worker: int) -> None:
        self.dead.add(self.workers[worker].identity)
        self.workers[worker] = self.newborn()

    # time

    @precondition(lambda self: self.model.leases)
    @rule(number=picks)
    def a_lease_runs_out(self, number: int) -> None:
        identity = pick(self.model.leases, number)
        self.client.zadd(keys.LEASES, {identity: 1})
        self.model.leases[identity] = True

    @precondition(lambda self: self.model.swept)
    @rule(number=picks)
    def ten_minutes_pass_since_a_sweep(self, number: int) -> None:
        identity = pick(self.model.swept, number)
        self.client.zadd(keys.SWEPT, {identity: 1})
        self.model.swept[identity] = True
        self.recent.discard(identity)
        self.wire = [command for command in self.wire if command[0] != identity]

    @rule(seconds=st.integers(1, 20))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(queue=st.sampled_from(BREAKABLE))
    def somebody_spoils_or_mends_a_queue(self, queue: str) -> None:
        if queue in self.model.broken:
            self.client.delete(keys.queue(queue))
            self.model.broken.remove(queue)
        elif not self.model.lists[keys.queue(queue)]:
            self.client.set(keys.queue(queue), "oops")
            self.model.broken.add(queue)

    # keepers: two sweepers, those who were told of a death, two schedulers

    @rule(agent=agents)
    def a_sweeper_looks(self, agent: int) -> None:
        late, swept = scripts.expired(self.run)
        assert set(late) == {identity for identity, over in self.model.leases.items() if over}
        assert set(swept) == set(self.model.swept)
        self.sweepers[agent] = Sweeper(late, swept)

    @precondition(lambda self: any(sweeper.late or sweeper.swept for sweeper in self.sweepers))
    @rule(agent=agents)
    def a_sweeper_acts(self, agent: int) -> None:
        found = self.sweepers[agent].late or self.sweepers[agent].swept
        found = found or self.sweepers[1 - agent].late or self.sweepers[1 - agent].swept
        self.give_back(found.pop(), only_if_expired=True)

    def give_back(self, identity: str, *, only_if_expired: bool = False, decided: list[Decided] | None = None) -> None:
        moved = scripts.give_back(self.run, identity, only_if_expired=only_if_expired, decided=decided or [])
        assert moved == self.model.give_back(identity, only_if_expired=only_if_expired, decided=decided or [])

    @precondition(lambda self: any(self.model.held(identity) for identity in self.dead))
    @rule(number=picks, judged=judgements)
    def a_keeper_learns_of_a_death(self, number: int, judged: list[str]) -> None:
        identity = pick(filter(self.model.held, self.dead), number)
        held = crashes.held(self.client, identity)
        told = zip(held, judged, strict=False)
        self.told.append((identity, [self.decision(*job, action) for job, action in told if action]))

    def decision(self, queue: str, payload: bytes, action: str) -> Decided:
        job, again = jid(payload), self.payload(jid(payload))
        crash = crashes.Crash(self.now, True, f"crash {self.serial}")
        rest: dict[str, tuple[Any, ...]] = {
            "q": ("a.quarantine", keys.crashes(job), crash.dump(), crashes.REMEMBERED),
            "d": (repr(self.now), again, *ENTRIES),
            "r": (repr(self.now + 5), again),
            "x": (),
            "i": (interruptions.counter(job), keys.INTERRUPTIONS_TTL),
        }
        return (action, queue, payload, *rest[action])

    @precondition(lambda self: self.told)
    @rule(number=picks, again=st.booleans())
    def a_keeper_acts_on_a_death(self, number: int, again: bool) -> None:
        identity, decided = self.told.pop(number % len(self.told))
        for _ in range(1 + again):
            self.give_back(identity, decided=decided)

    @rule(agent=agents, source=st.sampled_from(SOURCES))
    def a_scheduler_looks(self, agent: int, source: str) -> None:
        found = owners.due(self.client, source, self.now, 100)
        assert found == self.model.due(source, self.now)
        self.pages[agent] = (source, found)

    @precondition(lambda self: any(members for _, members in self.pages))
    @rule(agent=agents, queue=st.sampled_from(QUEUES[:2]))
    def a_scheduler_acts(self, agent: int, queue: str) -> None:
        source, members = self.pages[agent] if self.pages[agent][1] else self.pages[1 - agent]
        jobs = [(member, queue, self.payload(jid(member))) for member in members]
        moved = scripts.enqueue_due(self.run, source, self.now, jobs)
        assert moved == self.model.enqueue_due(source, self.now, jobs)

    # people

    @rule(source=st.sampled_from(SOURCES))
    def somebody_opens_a_page(self, source: str) -> None:
        self.people = (source, list(self.client.zrange(source, 0, -1)))

    @precondition(lambda self: self.people[1])
    @rule(number=picks, deed=st.sampled_from(["kill", "enqueue", "remove", "reschedule"]), again=st.booleans())
    def somebody_presses_a_button(self, number: int, deed: str, again: bool) -> None:
        source, page = self.people
        member = page[number % len(page)]
        for _ in range(1 + again):
            self.press(deed, source, member)

    def press(self, deed: str, source: str, member: bytes) -> None:
        if deed == "kill":
            done = repair.kill(self.client, source, member, self.now, 0.0, 10_000)
            assert done == self.model.kill(source, member, self.now)
        elif deed == "enqueue":
            again = self.payload(jid(member))
            done = repair.enqueue(self.client, source, member, "a", again, self.now)
            assert done == bool(self.model.enqueue_due(source, self.now, [(member, "a", again)]))
        elif deed == "remove":
            assert repair.remove(self.client, source, member) == self.model.remove(source, member)
        else:
            done = repair.reschedule(self.client, source, member, self.now + 9)
            assert done == (member in self.model.sets[source])
            if done:
                self.model.sets[source][member] = self.now + 9

    @precondition(lambda self: self.model.lists[keys.queue("a")])
    @rule(number=picks)
    def somebody_deletes_a_job(self, number: int) -> None:
        payload = pick(self.model.lists[keys.queue("a")], number)
        assert repair.remove_job(self.client, "a", payload) == self.model.remove_job("a", payload)

    @rule(worker=workers, signal=st.sampled_from(["TSTP", "TERM"]))
    def somebody_asks_a_process(self, worker: int, signal: repair.Signal) -> None:
        identity = self.workers[worker].identity
        repair.ask(self.client, identity, signal)
        self.model.lists[keys.signals(identity)].insert(0, signal.encode())

    @precondition(lambda self: +self.model.owed)
    @rule(number=picks)
    def somebody_cancels_an_iteration(self, number: int) -> None:
        job = pick(+self.model.owed, number)
        assert iteration.cancel(self.run, job, self.now) == self.model.cancel(job, int(self.now))

    # what holds

    @invariant()
    def every_job_that_is_owed_lies_in_exactly_one_place_and_nobody_else_holds_it(self) -> None:
        found, inflight = Counter[str](), Counter[str]()
        self.seen = keyspace.read(self.client)
        for key, (_, value) in self.seen.items():
            if key in (*SOURCES, keys.DEAD):
                found.update(jid(member) for member in value[::2])
            elif key.startswith(("queue:", "jobsup:inflight:")) and isinstance(value, list):
                found.update(map(jid, value))
                inflight.update(map(jid, value if key.startswith("jobsup:inflight:") else []))
        assert found == +self.model.owed
        assert inflight <= +self.model.owed

    @invariant()
    def the_keyspace_is_that_of_the_model(self) -> None:
        keyspace.compare(self.seen, self.model)

    def teardown(self) -> None:
        """Everything ends: all that was owed runs or lies in the dead set, and nothing stays behind."""
        if not hasattr(self, "people"):
            return
        for command in self.wire:
            self.turn(*command)
        for queue in sorted(self.model.broken):
            self.somebody_spoils_or_mends_a_queue(queue)
        for number in range(len(self.model.leases)):
            self.a_lease_runs_out(number)
        self.sweep()
        assert not self.client.keys("jobsup:inflight:*")
        self.now += 1_000
        for source in SOURCES:
            self.a_scheduler_looks(0, source)
            self.a_scheduler_acts(0, "a")
        self.workers[0] = last = self.newborn()
        self.registers(0, False)
        while True:
            turn = self.turn(last.identity, [], [(queue, 9) for queue in QUEUES], 9 * len(QUEUES))
            if turn is None or not turn.taken:
                break
            self.turn(last.identity, [("f", *job, keys.iteration(jid(job[1]))) for job in turn.taken], [], 0)
        self.leaves(0)
        for number in range(len(self.model.swept)):
            self.ten_minutes_pass_since_a_sweep(number)
        self.sweep()
        self.every_job_that_is_owed_lies_in_exactly_one_place_and_nobody_else_holds_it()
        self.the_keyspace_is_that_of_the_model()
        staying = {key for key, (ttl, _) in self.seen.items() if ttl < 0}
        assert staying <= {keys.QUEUES, keys.DEAD, keys.PROCESSED, keys.FAILED}

    def sweep(self) -> None:
        self.a_sweeper_looks(0)
        while self.sweepers[0].late or self.sweepers[0].swept:
            self.a_sweeper_acts(0)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    server = Server(Path(tmp_path_factory.mktemp("model")))
    server.start("--appendonly", "no")
    with connection.connect(f"unix://{server.socket}") as client:
        yield client
    server.kill()


def test_whatever_is_interleaved_the_scripts_do_what_the_model_does(client: redis.Redis, explore: Any) -> None:
    explore(type("Store", (Store,), {"client": client}), examples=400, steps=40)


@pytest.mark.parametrize("outcome", ["r", "d"])
def test_a_settlement_told_twice_makes_two_copies_of_a_push_one_entry_and_never_none(
    client: redis.Redis, outcome: str
) -> None:
    store = type("Copies", (Store,), {"client": client})()
    store.begin()
    store.pushes(1, {"a"}, True)
    for _ in range(2):
        store.turns(2, [], ["a", "b", "a.quarantine"], 1, "answered")
    store.turns(2, [outcome], ["a"], 0, "lost")
    store.turns(2, [], ["a"], 0, "answered")
    store.every_job_that_is_owed_lies_in_exactly_one_place_and_nobody_else_holds_it()
    store.the_keyspace_is_that_of_the_model()
    store.teardown()
