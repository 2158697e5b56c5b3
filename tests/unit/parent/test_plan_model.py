"""The plan against a simulated kernel: whatever happens, in whatever order, the invariants hold."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobsup.clock import FOREVER
from jobsup.parent import restart
from jobsup.parent.plan import Drain, Kill, Mode, Pool, Quiet, Spawn, State, Worker, next_deadline, plan
from jobsup.parent.stages import Event, Stage, after

BOOT, DRAIN = 10.0, 5.0


class Kernel(RuleBasedStateMachine):
    """Workers that boot, die, hang or obey as hypothesis likes; the executor is the simplest possible."""

    @initialize(size=st.integers(1, 4))
    def begin(self, size: int) -> None:
        self.now = 0.0
        self.mode = Mode.RUNNING
        self.pool = Pool("main", size, 1, loaded=True)
        self.workers: dict[str, Worker] = {}
        self.living: set[str] = set()
        self.spawned = 0
        self.history = restart.History()
        self.stop_begun = FOREVER
        self.before_reload = 1
        self.act()

    def state(self) -> State:
        return State(self.mode, (self.pool,), tuple(self.workers.values()))

    def happened(self, nonce: str, event: Event, deadline: float | None = None) -> None:
        worker = self.workers[nonce]
        deadline = worker.deadline if deadline is None else deadline
        self.workers[nonce] = replace(worker, stage=after(worker.stage, event), deadline=deadline)

    def act(self) -> None:
        ready_before = self.ready()
        drained = 0
        for action in list(plan(self.state(), self.now)):
            match action:
                case Spawn(name, generation):
                    assert self.mode is Mode.RUNNING
                    nonce = f"n{self.spawned}"
                    self.spawned += 1
                    self.workers[nonce] = Worker(nonce, name, generation, Stage.SPAWNING, self.now + BOOT)
                    self.living.add(nonce)
                case Quiet(nonce):
                    assert nonce in self.living
                    self.happened(nonce, Event.QUIETED)
                case Drain(nonce):
                    assert nonce in self.living
                    drained += self.workers[nonce].stage is Stage.READY
                    limit = min(self.workers[nonce].deadline, self.now + DRAIN)
                    self.happened(nonce, Event.LEAVING, limit)
                case Kill(nonce):
                    assert nonce in self.living, "a signal to a reaped process"
                    self.happened(nonce, Event.KILL)
        if self.mode is Mode.RUNNING and drained:
            assert ready_before - drained >= min(self.pool.size, ready_before), "capacity was given away"
        assert list(plan(self.state(), self.now)) == [], "the plan is not settled by carrying it out"

    def ready(self) -> int:
        return sum(w.stage is Stage.READY and self.now < w.deadline for w in self.workers.values())

    def pick(self, data: st.DataObject, *stages: Stage) -> str | None:
        found = sorted(n for n in self.living if self.workers[n].stage in stages)
        return data.draw(st.sampled_from(found)) if found else None

    @rule(data=st.data())
    def named(self, data: st.DataObject) -> None:
        if nonce := self.pick(data, Stage.SPAWNING):
            self.happened(nonce, Event.SPAWNED)
            self.act()

    @rule(data=st.data())
    def boots(self, data: st.DataObject) -> None:
        if nonce := self.pick(data, Stage.SPAWNING, Stage.BOOTING):
            self.happened(nonce, Event.BOOTED, FOREVER)
            self.act()

    @rule(data=st.data())
    def dies(self, data: st.DataObject) -> None:
        if nonce := self.pick(data, *[stage for stage in Stage if stage < Stage.REAPED]):
            crashed = self.workers[nonce].stage < Stage.DRAINING
            self.happened(nonce, Event.ENDED)
            self.living.discard(nonce)
            del self.workers[nonce]
            if crashed:
                self.history = self.history.add(self.now, 0.0)
                hold = self.now + restart.delay(self.history, 0.5)
                most = restart.intensity(self.pool.size)
                failed = self.pool.failed or restart.exhausted(self.history, self.now, most)
                self.pool = replace(self.pool, holds=(*self.pool.holds, hold), failed=failed)
            self.act()

    @rule(seconds=st.floats(0.1, 30))
    def time_passes(self, seconds: float) -> None:
        # Never past a deadline unseen: the loop wakes for each.
        self.now = min(self.now + seconds, max(self.now, next_deadline(self.state(), self.now)))
        self.act()

    @precondition(lambda self: self.mode is Mode.RUNNING and self.pool.generation < 5)
    @rule(size=st.integers(0, 4))
    def reloads(self, size: int) -> None:
        self.before_reload = self.pool.generation
        self.pool = Pool("main", size, self.pool.generation + 1, loaded=True)
        self.history = restart.History()
        self.act()

    @precondition(lambda self: self.mode is Mode.RUNNING)
    @rule()
    def rolls_back(self) -> None:
        self.pool = replace(self.pool, generation=self.before_reload)
        self.act()

    @rule(loaded=st.booleans())
    def template(self, loaded: bool) -> None:
        self.pool = replace(self.pool, loaded=loaded)
        self.act()

    @precondition(lambda self: self.mode is Mode.RUNNING)
    @rule()
    def is_made_quiet(self) -> None:
        self.mode = Mode.QUIET
        self.act()

    @precondition(lambda self: self.mode is not Mode.STOPPING)
    @rule()
    def stops(self) -> None:
        self.mode, self.stop_begun = Mode.STOPPING, self.now
        self.act()

    @invariant()
    def no_pool_is_larger_than_its_size_and_the_surge(self) -> None:
        fetching_later = [w for w in self.workers.values() if w.stage < Stage.READY]
        staying = [w for w in self.workers.values() if w.stage < Stage.DRAINING]
        # A pool that was made smaller keeps its old READY workers only until this tick's drains.
        if self.mode is Mode.RUNNING:
            assert len(staying) <= self.pool.size + self.pool.surge
            assert len(fetching_later) <= self.pool.size + self.pool.surge

    @invariant()
    def a_stop_ends_within_its_budget(self) -> None:
        if self.mode is Mode.STOPPING and self.now >= self.stop_begun + DRAIN:
            assert all(w.stage is Stage.KILLED for w in self.workers.values() if w.stage is not Stage.REAPED)

    @invariant()
    def every_process_is_accounted_for(self) -> None:
        assert self.living == set(self.workers)

    @invariant()
    def crashes_are_bounded(self) -> None:
        if not self.pool.failed:
            assert self.history.recent(self.now) <= restart.intensity(max(self.pool.size, 4))


TestKernel = Kernel.TestCase
TestKernel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
