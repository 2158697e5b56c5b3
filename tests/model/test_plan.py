"""The parent's plan, carried out by its own crew, against a simulated kernel.

Forks fail, children die at any step, many deaths are one awakening, clocks jump, messages are late and cross each
other; code is reloaded and rolled back, pools change their size, keeper and template die, suspects run by themselves.
"""

from __future__ import annotations

import os
import random
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from kernel import (
    BOOT,
    KILL_AFTER,
    MOST,
    PATIENCE,
    THREADS,
    Generation,
    Keeper,
    Kernel,
    Loop,
    Process,
    Template,
    descriptors,
)

from jobsup.clock import FOREVER
from jobsup.config.model import QUARANTINE, hostname
from jobsup.events import Events
from jobsup.parent import hang, plan, restart
from jobsup.parent.child import Child
from jobsup.parent.crew import Crew
from jobsup.parent.governor import Governor
from jobsup.parent.housekeeping import Housekeeping
from jobsup.parent.loop import Commands, Context
from jobsup.parent.plan import Mode
from jobsup.parent.pools import Pools
from jobsup.parent.stages import Stage
from jobsup.unix.cgroup import Room
from jobsup.unix.pidfd import Ended

picks = st.integers(0, 1_000)
choosers = st.randoms(use_true_random=False)
sizes = st.fixed_dictionaries({"main": st.integers(0, 4), "other": st.integers(0, 2)})


class Parent(RuleBasedStateMachine):
    @initialize(wanted=sizes)
    def begin(self, wanted: dict[str, int]) -> None:
        self.kernel = Kernel()
        self.kernel.install()
        self.loop: Any = Loop(self.kernel)
        context = Context(self.loop, Events(), Commands((), ()), -1, "/", {})
        self.generations: list[Any] = [Generation(1, wanted | {"main": max(1, wanted["main"])})]
        self.crashes: list[Child] = []
        unexpected: Any = None
        self.house = Housekeeping(
            context,
            self.generations[0].config,
            on_fatal=unexpected,
            on_suspects=unexpected,
            on_end=lambda _helper: None,
        )
        self.open = len(descriptors())
        self.keeper = Keeper()
        self.house.keeper = self.keeper  # type: ignore[assignment]
        self.settled: set[str] = set()
        self.crew = Crew(context, on_end=[self.house.ended], on_crash=lambda child, ended: self.crashes.append(child))
        self.mode = Mode.RUNNING
        self.stop_begun = FOREVER
        self.due: dict[str, float] = {}
        """When who leaves must be gone or killed."""
        self.slept = 0.0
        """Seconds in which nobody ran."""
        self.asked: dict[str, float] = {}
        self.current = self.generations[0]
        self.room: Room | None = None
        governor = Governor(self.crew, room=lambda: self.room, own=lambda child: 10 * child.pid)
        self.pools = Pools(self.crew, self.current, governor)
        self.act()

    # the parent's tick, as in ``supervisor.py``

    def switch(self, generation: Any, *, on_trial: bool) -> None:
        self.current = generation
        self.pools.switch(generation, on_trial=on_trial)
        self.house.configure(generation.config)

    def view(self) -> plan.State:
        return self.pools.view(self.mode)

    def act(self) -> None:
        now = self.kernel.now
        if self.pools.tick(now):
            self.switch(self.before, on_trial=False)
        before = {pool.name: self.ready(pool.name) for pool in self.view().pools}
        for action in list(plan.plan(self.view(), now)):
            match action:
                case plan.Spawn(pool):
                    assert self.mode is Mode.RUNNING, "nobody is made during a stop, or for nothing to do"
                    assert not self.crew.pool(pool).failed, "a pool that was given up is not refilled"
                    known = {child.nonce for child in self.crew}
                    self.crew.spawn(self.pools.generation(pool), pool, now)
                    self.asked |= {c.nonce: now - self.slept for c in self.crew if c.nonce not in known}
                case plan.Quiet(nonce):
                    self.crew.quiet(nonce)
                case plan.Drain(nonce, patient):
                    self.crew.drain(nonce, min(now, self.stop_begun), patient=patient)
                    assert not patient or self.mode is Mode.RUNNING, "a stop has no patience"
                    self.must_go(nonce, now + (PATIENCE if patient else MOST) + KILL_AFTER)
                case plan.Kill(nonce):
                    self.kill(nonce, now)
        if self.mode is Mode.RUNNING:
            for name, size in ((pool.name, pool.size) for pool in self.view().pools):
                assert self.ready(name) >= min(size, before[name]), "capacity was given away"
        for child in self.crew:
            if child.leaving and child.nonce not in self.due:
                self.must_go(child.nonce, now + MOST + KILL_AFTER)
        assert list(plan.plan(self.view(), now)) == [], "the plan is not settled by carrying it out"
        for made in self.kernel.living():
            made.listen()

    def must_go(self, nonce: str, at: float) -> None:
        self.due[nonce] = min(at, self.due.get(nonce, FOREVER))

    def kill(self, nonce: str, now: float) -> None:
        child = next(child for child in self.crew if child.nonce == nonce)
        if child.stage < Stage.READY and not child.link.closed:  # whose link has ended is dead, or may not stay
            awake = now - self.slept - self.asked[nonce]
            assert awake >= BOOT - 1e-6, "it was killed for lateness that was not its own"
        self.crew.kill(nonce, now)

    def ready(self, pool: str) -> int:
        now = self.kernel.now
        return sum(c.stage is Stage.READY and now < c.deadline for c in self.crew if c.profile.name == pool)

    # the template and the kernel

    @precondition(lambda self: any(g.made.asked for g in self.generations))
    @rule(number=picks, result=st.sampled_from(["named", "named", "failed", "named, then failed"]))
    def a_fork_is_tried(self, number: int, result: str) -> None:
        templates = [g.made for g in self.generations if g.made.asked]
        template = templates[number % len(templates)]
        asked = template.asked.pop(number % len(template.asked))
        if "named" in result:
            template.said.append({"made": self.kernel.fork(asked)})
        else:
            _close(asked)
        if "failed" in result:
            template.said.append({"nonce": asked["nonce"], "error": "EAGAIN"})

    @rule(chooser=choosers, ready=st.booleans())
    def all_forks_work(self, chooser: random.Random, ready: bool) -> None:
        for template in [generation.made for generation in self.generations]:
            while template.asked:
                template.said.append({"made": self.kernel.fork(template.asked.pop(0))})
            while template.said:
                self.hear(template)
        for made in self.kernel.living() if ready else []:
            if made.named:
                made.say("ready")
                made.speak()
        self.the_parent_wakes(chooser)

    @precondition(lambda self: self.mode is Mode.RUNNING)
    @rule(chooser=choosers, times=st.integers(1, 25))
    def one_crash_follows_another(self, chooser: random.Random, times: int) -> None:
        for _ in range(times):
            self.all_forks_work(chooser, True)
            for made in self.kernel.living():
                self.end(made, Ended(signal=11))
            self.the_parent_wakes(chooser)
            self.kernel.now += 0.5
            self.act()

    @precondition(lambda self: any(g.made.said for g in self.generations))
    @rule(number=picks)
    def a_template_is_heard(self, number: int) -> None:
        templates = [g.made for g in self.generations if g.made.said]
        self.hear(templates[number % len(templates)])
        self.act()

    def hear(self, template: Template) -> None:
        message = template.said.popleft()
        if "made" in message:
            self.crew.spawned(*self.kernel.name(message["made"]))
        else:
            self.crew.spawn_failed(message, self.kernel.now)

    @rule(number=picks)
    def a_template_dies(self, number: int) -> None:
        self.end_template(self.generations[number % len(self.generations)].made)
        self.act()

    def end_template(self, template: Template) -> None:
        while template.said:
            self.hear(template)
        for asked in template.asked:
            _close(asked)
        template.asked.clear()
        template.ready = template.dying = False
        self.crew.template_gone(template)  # type: ignore[arg-type]

    @rule(number=picks)
    def a_template_is_replaced(self, number: int) -> None:
        self.generations[number % len(self.generations)].made.ready = True
        self.act()

    @rule()
    def descriptors_run_out_or_are_back(self) -> None:
        self.kernel.starved = not self.kernel.starved

    @precondition(lambda self: self.kernel.living())
    @rule(number=picks, how=st.sampled_from([9, 11, 0, 1]), more=st.integers(0, 2))
    def workers_die(self, number: int, how: int, more: int) -> None:
        for _ in range(1 + more):
            if found := self.kernel.living():
                self.end(found[number % len(found)], Ended(signal=how) if how > 1 else Ended(code=how))

    @precondition(lambda self: self.kernel.living(doomed=True))
    @rule(number=picks)
    def a_kill_takes_effect(self, number: int) -> None:
        found = self.kernel.living(doomed=True)
        self.end(found[number % len(found)], Ended(signal=9))

    def end(self, made: Process, ended: Ended) -> None:
        made.end(ended)

    @rule(chooser=choosers)
    def the_parent_wakes(self, chooser: random.Random) -> None:
        self.loop.wake(chooser)
        self.act()

    # time

    @rule(seconds=st.floats(0.1, 20), chooser=choosers)
    def time_passes(self, seconds: float, chooser: random.Random) -> None:
        until = min(plan.next_deadline(self.view(), self.kernel.now), self.pools.deadline(self.kernel.now))
        self.kernel.now = min(self.kernel.now + seconds, max(self.kernel.now, until))
        self.the_parent_wakes(chooser)

    @rule(seconds=st.floats(2, 10_000), chooser=choosers)
    def everybody_is_suspended(self, seconds: float, chooser: random.Random) -> None:
        before = self.kernel.now
        # It looks for hung workers now and then, so it never means to sleep for longer.
        until = min(plan.next_deadline(self.view(), before), self.pools.deadline(before), before + hang.EVERY)
        self.kernel.now += seconds
        self.loop.wake(chooser)  # within ``wait``, before it is seen how late it is
        if self.kernel.now - max(until, before) > 1.0:  # a sleep that ends when it was to wake cannot be told
            self.crew.excuse(self.kernel.now - before)
            self.slept += seconds
        self.act()

    @rule(wall=st.floats(0, 2e9))
    def the_wall_clock_jumps(self, wall: float) -> None:
        self.kernel.wall = wall

    # workers

    def worker(self, number: int) -> Process:
        return self.kernel.living()[number % len(self.kernel.living())]

    @precondition(lambda self: self.kernel.living())
    @rule(number=picks, op=st.sampled_from(["ready", "ready", "failed", "drained"]))
    def a_worker_speaks(self, number: int, op: str) -> None:
        fields: dict[str, Any] = {"traceback": "", "permanent": False} if op == "failed" else {}
        self.worker(number).say(op, **fields)

    @precondition(lambda self: self.kernel.living())
    @rule(number=picks, seconds=st.floats(-1, 1e6))
    def a_worker_leaves_by_itself(self, number: int, seconds: float) -> None:
        self.worker(number).say("draining", until=self.kernel.now + seconds)

    @precondition(lambda self: any(made.said for made in self.kernel.living()))
    @rule(number=picks, chooser=choosers)
    def a_message_arrives(self, number: int, chooser: random.Random) -> None:
        found = [made for made in self.kernel.living() if made.said]
        found[number % len(found)].speak()
        self.the_parent_wakes(chooser)

    @precondition(lambda self: self.kernel.living())
    @rule(number=picks, thread=st.integers(0, THREADS - 1), runs=st.booleans())
    def a_worker_runs_a_job(self, number: int, thread: int, runs: bool) -> None:
        made = self.worker(number)
        entry = made.slot.entry(thread % made.slot.read().threads)
        if runs:
            entry.begin(self.kernel.now, 0.0, 1, 1, 1, "j", "Job", "q")
        else:
            entry.end()
            made.slot.set_done(number % 9, number % 9 * (number % 2))  # all of them failed, or none

    @precondition(lambda self: len(self.crew))
    @rule(number=picks, far=st.booleans())
    def a_worker_grows_too_large(self, number: int, far: bool) -> None:
        children = [child for child in self.crew if child.pid]
        child = children[number % len(children)] if children else None
        if child and far:
            self.crew.kill_large(child, "it holds more than kill_memory")
        elif child and child.stage is Stage.READY:
            self.crew.wear(child, "it holds more than max_memory")
        self.act()

    @rule(used=st.sampled_from([0, 0, 790, 820, 860, 930, 980]))
    def memory_runs_short_or_is_there_again(self, used: int) -> None:
        self.room = Room(1000, used) if used else None
        self.pools.governor.deadline = self.kernel.now
        self.act()

    @precondition(lambda self: self.kernel.living())
    @rule(number=picks)
    def a_worker_hangs_up(self, number: int) -> None:
        self.worker(number).link.close()

    # people and the keeper

    @precondition(lambda self: self.mode is Mode.RUNNING and len(self.generations) < 5)
    @rule(wanted=sizes)
    def a_reload_switches(self, wanted: dict[str, int]) -> None:
        self.generations.append(Generation(len(self.generations) + 1, wanted))
        self.before = self.current
        self.switch(self.generations[-1], on_trial=True)
        self.act()

    @precondition(lambda self: self.mode is Mode.RUNNING and len(self.generations) > 1)
    @rule(number=picks)
    def it_is_rolled_back(self, number: int) -> None:
        self.switch(self.generations[number % len(self.generations)], on_trial=False)
        self.act()

    @precondition(lambda self: self.mode is Mode.RUNNING)
    @rule(pool=st.sampled_from(["main", "other"]), jobs=st.integers(1, 4))
    def a_keeper_finds_suspects(self, pool: str, jobs: int) -> None:
        self.pools.isolate({pool: jobs}, self.current)
        self.act()

    @precondition(lambda self: self.mode is Mode.RUNNING)
    @rule(size=st.integers(0, 4))
    def a_pool_is_scaled(self, size: int) -> None:
        assert self.pools.scale({"main": size}) is None
        self.act()

    @precondition(lambda self: self.mode is Mode.RUNNING)
    @rule()
    def it_is_made_quiet(self) -> None:
        self.mode = Mode.QUIET
        self.act()

    @precondition(lambda self: self.mode is not Mode.STOPPING)
    @rule()
    def it_is_stopped(self) -> None:
        self.mode, self.stop_begun = Mode.STOPPING, self.kernel.now
        self.act()

    @precondition(lambda self: self.mode is Mode.STOPPING)
    @rule()
    def it_is_stopped_at_once(self) -> None:
        self.crew.halt(self.kernel.now)
        self.act()

    @precondition(lambda self: self.keeper.heard)
    @rule()
    def the_keeper_answers(self) -> None:
        identity = self.keeper.heard.pop(0)
        self.settled.add(identity)
        self.house._said(self.keeper, {"op": "gave_back", "identity": identity, "jobs": 1}, [])  # type: ignore[arg-type]

    @rule(back=st.booleans())
    def the_keeper_dies(self, back: bool) -> None:
        self.keeper = Keeper()
        self.keeper.running = back
        if back:
            self.keeper.heard = [told["identity"] for told in self.house._hello()["ended"]]
        self.house.keeper = self.keeper  # type: ignore[assignment]

    # the invariants

    @invariant()
    def no_pool_is_larger_than_its_size_and_the_surge(self) -> None:
        if self.mode is Mode.RUNNING:
            for pool in self.view().pools:
                staying = [c for c in self.crew if c.profile.name == pool.name and c.stage < Stage.DRAINING]
                assert len(staying) <= pool.size + pool.surge

    @invariant()
    def no_more_suspects_run_at_once_than_the_pool_has_threads(self) -> None:
        for name in ("main" + QUARANTINE, "other" + QUARANTINE):
            assert 0 <= self.crew.pool(name).suspects <= THREADS
            assert not self.crew.pool(name).failed, "the suspects would lie there for ever"

    @invariant()
    def nobody_fetches_after_quiet(self) -> None:
        if self.mode is not Mode.RUNNING:
            for made in self.kernel.living():
                child = next((c for c in self.crew if c.nonce == made.nonce), None)
                if child is not None and made.named and not made.link.closed and not made.doomed:
                    assert child.stage is not Stage.READY
                    if child.stage > Stage.READY:
                        assert {"quiet", "drain", "halt"} & set(made.heard) or child.leaving

    @invariant()
    def no_more_crashes_are_answered_than_the_window_allows(self) -> None:
        for name in ("main", "other"):
            record = self.crew.pool(name)
            most = max(restart.intensity(generation.profiles[name].processes) for generation in self.generations)
            assert record.failed or record.crashes.recent(self.kernel.now) <= most

    @invariant()
    def who_leaves_is_gone_or_killed_within_the_budget(self) -> None:
        for child in self.crew:
            at = min(self.due.get(child.nonce, FOREVER), self.stop_begun + MOST + KILL_AFTER)
            if self.kernel.now >= at + 1e-6:
                assert child.stage is Stage.KILLED

    @invariant()
    def the_jobs_of_the_dead_are_given_back_or_a_keeper_knows_of_them(self) -> None:
        identities = {self.identity(made) for made in self.kernel.processes if made.reaped}
        known = set(self.keeper.heard) if self.keeper.running else set(identities)
        told = {told["identity"] for told in self.house._hello()["ended"]}
        assert identities - self.settled <= known
        assert identities - self.settled <= told

    @invariant()
    def every_process_that_was_named_is_a_child_until_it_is_reaped(self) -> None:
        kept = {child.nonce for child in self.crew if child.pid}
        assert kept == {made.nonce for made in self.kernel.processes if made.named and not made.reaped}

    def identity(self, made: Process) -> str:
        return f"{hostname()}:{made.pid}:{made.nonce}"

    def teardown(self) -> None:
        """A stop: everybody ends reaped within the budget, whatever had happened."""
        if not hasattr(self, "crew"):
            return
        try:
            self.end_of_all()
        finally:
            self.kernel.remove()
            self.house.pulse.close()  # one for the life of a process, of which there are many here
            # Only where it failed is anything left; it must not take the next example's descriptors.
            for child in self.crew:
                child.close()
            for made in self.kernel.living():
                made.end(Ended())

    def end_of_all(self) -> None:
        if self.mode is not Mode.STOPPING:
            self.it_is_stopped()
        chooser, begun = random.Random(0), self.kernel.now
        for _ in range(100):
            for made in self.kernel.living(doomed=True):
                self.end(made, Ended(signal=9))
            for generation in self.generations:
                if generation.made.dying:
                    self.end_template(generation.made)
            self.the_parent_wakes(chooser)
            if not len(self.crew):
                break
            if self.kernel.living(doomed=True) or any(generation.made.dying for generation in self.generations):
                continue  # what was killed dies before time goes on
            until = plan.next_deadline(self.view(), self.kernel.now)
            self.kernel.now = max(self.kernel.now, until) if until < FOREVER else self.kernel.now
        assert not len(self.crew)
        assert self.kernel.now <= max(self.stop_begun + MOST + KILL_AFTER, begun) + 1e-6
        self.the_jobs_of_the_dead_are_given_back_or_a_keeper_knows_of_them()
        for generation in self.generations:
            self.end_template(generation.made)
        for made in self.kernel.living():
            assert not made.named, "a process was forgotten"
            self.end(made, Ended(code=0))  # its link has ended: it leaves by itself
        assert len(descriptors()) == self.open, "descriptors were left open"


def _close(asked: dict[str, Any]) -> None:
    for fd in asked["fds"]:
        os.close(fd)


def test_whatever_happens_in_whatever_order_the_parent_keeps_its_promises(explore: Any) -> None:
    explore(Parent, examples=250, steps=40)


def test_a_worker_that_was_named_and_has_ended_may_be_called_failed_afterwards() -> None:
    parent = Parent()
    parent.begin({"main": 1, "other": 0})
    parent.a_fork_is_tried(0, "named, then failed")  # the middle process was killed after it had named the worker
    parent.a_template_is_heard(0)
    parent.workers_die(0, 9, 0)
    parent.the_parent_wakes(random.Random(0))
    parent.a_template_is_heard(0)
    parent.teardown()
