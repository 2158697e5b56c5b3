"""The parent: one thread that sleeps until a signal, a message, a dead child or a deadline.

Everything that happens is only noted; then ``plan`` looks at the whole and says what to do.  Nothing here
speaks to Redis, runs application code, or waits for either.
"""

import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping

from jobsup import __version__, clock
from jobsup.clock import FOREVER
from jobsup.config.model import Config
from jobsup.events import Events
from jobsup.exits import Exit
from jobsup.log import Logger
from jobsup.parent import hang, lastwords, plan
from jobsup.parent.child import Child
from jobsup.parent.control import Control
from jobsup.parent.crew import Crew
from jobsup.parent.drains import Drains
from jobsup.parent.generation import Generation
from jobsup.parent.guard import Guard
from jobsup.parent.helper import Helper
from jobsup.parent.housekeeping import Housekeeping
from jobsup.parent.loop import Commands, Context, Loop
from jobsup.parent.notices import Notices
from jobsup.parent.plan import Mode
from jobsup.parent.pools import Pools
from jobsup.parent.reload import Reloader
from jobsup.parent.stop import Stop
from jobsup.parent.vitals import Vitals
from jobsup.typedefs import JSON
from jobsup.unix import pidfd, process, proctitle
from jobsup.unix.ctlsock import SocketInUse
from jobsup.unix.link import Message
from jobsup.unix.pidfd import Ended
from jobsup.unix.wakeup import Wakeup

_PYTHON = (sys.executable, "-P", "-m")
COMMANDS = Commands(role=(*_PYTHON, "jobsup.assembly"), resolve=(*_PYTHON, "jobsup.cli.resolve"))

_MOST_BOOT_CRASHES = 5
_OVERSLEPT = 1.0


class Supervisor:
    """Starts everything in order, keeps it alive, and stops it within its budget.

    1. start    embedded server, keeper, templates, workers; then READY is announced
    2. tick     carry out the plan, advance a reload, advance the stop
    3. signals  see ``_on_signal``
    4. ctl      ``status``, ``quiet``, ``drain``, ``reload``, ``scale``, ``dump``, ``cancel``, ``why``

    Create and run it in the main thread of a process that has no other.
    """

    def __init__(
        self,
        config: Config,
        *,
        argv: list[str],
        cwd: str,
        events: Events,
        commands: Commands = COMMANDS,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Raises: SocketInUse: another supervisor has the control socket, or it cannot be made."""
        self._argv = argv
        self._events = events
        self._loop = Loop()
        hold_reader, hold_writer = os.pipe()
        context = Context(self._loop, events, commands, hold_writer, cwd, dict(environ))
        # Before the first child, so that no signal and no death goes unnoticed.
        self._control = Control(self._loop, config.ctl, self) if config.ctl else None
        self._on_signal: dict[signal.Signals, tuple[str, Callable[[], object]]] = {
            signal.SIGTERM: ("stop when the running jobs are done", self.drain),
            signal.SIGINT: ("stop; once more: at once", self._interrupt),
            signal.SIGQUIT: ("stop at once", self.halt),
            signal.SIGTSTP: ("fetch nothing more", self.quiet),
            signal.SIGHUP: ("reload", self.reload),
            signal.SIGUSR2: ("reload", self.reload),
            signal.SIGTTIN: ("dump the stacks of all workers", self.dump),
        }
        self._wakeup = Wakeup(*self._on_signal, signal.SIGCHLD)
        self._loop.watch(self._wakeup, self._signalled)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        process.become_subreaper()

        self._guard = Guard(context, config, hold_reader, on_fatal=self._fatal, on_end=self._helper_ended)
        self._house = Housekeeping(
            context, config, on_fatal=self._fatal, on_suspects=self._isolate, on_end=self._helper_ended
        )
        self._drains = Drains(events)
        self._vitals = Vitals(self._house.pulse)
        on_end = (self._house.ended, self._drains.ended, self._vitals.ended)
        self._crew = Crew(context, on_end=on_end, on_crash=self._worker_crashed)

        self._hung = hang.Watch(self._crew, events, vouch=self._house.vouch)

        def make(number: int, config: Config) -> Generation:
            return Generation(context, number, config, on_message=self._template_said, on_end=self._template_ended)

        first = make(1, config)
        self._pools = Pools(self._crew, first)
        self._reloader = Reloader(
            context, make=make, switch=self._switch, settled=lambda: self._pools.in_place, first=first
        )
        self._notices = Notices(context, config, self._crew, self._pools, self._reloader, self._house)
        self._mode = Mode.RUNNING
        self._announced = False
        self._begun = clock.monotonic()
        self._stop = Stop(config.grace)
        self._interrupts = 0
        self._strangers = False
        self._title = ""

    def run(self) -> int:
        """From start to exit code."""
        profiles = self._reloader.current.config.profiles
        pools = ", ".join(f"{p.name} ({p.processes} x {p.concurrency})" for p in profiles)
        self._events.emit("parent.started", version=__version__, pools=pools)
        while True:
            now = clock.monotonic()
            self._tick(now)
            if self._finished():
                break
            until = self._deadline(now)
            self._loop.wait(until)
            woken = clock.monotonic()
            if woken - max(until, now) > _OVERSLEPT:
                # We did not run (frozen, suspended, starved), so nor could they: nobody is late for that.  From when
                # on cannot be told; all of it, or who is late just when we were to wake would have no time at all.
                self._crew.excuse(woken - now)
                self._reloader.excuse(woken - now)
                self._house.keeper.excuse(woken - now)
                self._hung.excuse()
        if self._control:
            self._control.close()
        code = self._exit_code()
        seconds = clock.monotonic() - self._stop.begun
        self._events.emit("parent.stopped", seconds=seconds, code=int(code), reason=self._stop.reason)
        return code

    # what can be asked, by signal or over the control socket

    def drain(self) -> str | None:
        """Stop: jobs may finish within their time.  Asked again it changes nothing."""
        self._begin_stop("asked to")
        return None

    def halt(self) -> None:
        """Stop now: running jobs are given back."""
        self._begin_stop("asked to, at once", at_once=True)
        self._crew.halt(clock.monotonic())

    def quiet(self) -> str | None:
        """Fetch nothing more; irreversible, as in Sidekiq."""
        if self._mode is Mode.RUNNING:
            self._reloader.give_up("jobsup was made quiet")
            self._mode = Mode.QUIET
        return None

    def await_stop(self) -> float | None:
        """Quiet, because a stop will follow; the seconds that may be waited for it, None: any."""
        self.quiet()
        return self._stop.foresee(clock.monotonic(), [child.profile for child in self._crew])

    def reload(self) -> str | None:
        """Begin to replace everything with what is on disk now; or a sentence why not.

        Asked during a reload it begins when that has ended.
        """
        if self._mode is not Mode.RUNNING:
            return "jobsup is quiet or stopping; start it again instead."
        if not self._announced:
            return "jobsup is still starting; wait until it is ready."
        self._reloader.request(self._argv)
        return None

    def scale(self, sizes: dict[str, int]) -> str | None:
        """Have pools of other sizes than their profiles say, by name; or a sentence why not."""
        if self._mode is not Mode.RUNNING:
            return "jobsup is quiet or stopping; start it again instead."
        refusal = self._pools.scale(sizes)
        if refusal is None:
            self._events.emit("pools.scaled", sizes=", ".join(f"{name}={size}" for name, size in sizes.items()))
        return refusal

    def dump(self) -> str | None:
        """Every worker logs the stacks of its threads."""
        self._crew.dump()
        return None

    def cancel(self, jid: str) -> str | None:
        """End the running job *jid*, or say that there is none."""
        return None if self._crew.cancel(jid) else f"No job {jid} runs here; jobs that wait cannot be cancelled."

    def why(self, jid: str, ask: bool) -> dict[str, JSON] | None:
        """What the running job *jid* does; see ``hang.why``."""
        return hang.why(self._crew, jid, ask=ask)

    def status(self) -> dict[str, JSON]:
        now = clock.monotonic()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "rss": process.resident_bytes(os.getpid()),
            "state": self._state(),
            "generation": self._reloader.current.number,
            "reload": {**self._reloader.status(), "on_trial": [*self._pools.on_trial]},
            "redis": self._house.redis,
            "drain": self._drains.status(),
            "pools": self._pools.status(now),
            "memory": self._pools.governor.status(),
            "deaths": [verdict.dump() for verdict in self._crew.verdicts],
            "helpers": [helper.status(now) for helper in self._helpers if not helper.gone],
        }

    # what happens

    def _signalled(self) -> None:
        for sig in self._wakeup.drain():
            if sig is signal.SIGCHLD:
                self._strangers = True  # never counted: our own children speak by their pidfd
                continue
            meaning, act = self._on_signal[sig]
            self._events.emit("parent.signal", signal=sig.name, meaning=meaning)
            refusal = act()
            if isinstance(refusal, str):
                self._events.emit("reload.failed", generation=self._reloader.current.number, reason=refusal)

    def _interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            self.halt()
        else:
            self.drain()

    def _fatal(self, sentence: str, code: Exit) -> None:
        """The start is refused with a sentence that says why and what to do."""
        self._events.emit("start.refused", sentence=sentence)
        self._begin_stop("could not start", code)

    def _isolate(self, queues: dict[str, int]) -> None:
        self._pools.isolate(queues, self._reloader.current)

    def _template_said(self, generation: Generation, template: Helper, message: Message, fds: list[int]) -> None:
        match message["op"]:
            case "spawned":
                self._crew.spawned(message, fds)
            case "spawn_failed":
                self._crew.spawn_failed(message, clock.monotonic())
            case "failed":
                self._events.emit("boot.failed", child=template.name, traceback=message["traceback"])
                if not self._announced:
                    self._begin_stop("the application could not be imported", Exit.SOFTWARE)

    def _template_ended(self, generation: Generation, template: Helper) -> None:
        self._crew.template_gone(template)
        if generation is self._reloader.next:
            self._reloader.fail("the new code could not be loaded; its traceback is in the log")
        self._helper_ended(template)

    def _helper_ended(self, helper: Helper) -> None:
        if not self._announced and helper.crashes.recent(clock.monotonic()) >= _MOST_BOOT_CRASHES:
            self._begin_stop(f"{helper.name} died again and again", Exit.SOFTWARE)

    def _worker_crashed(self, child: Child, ended: Ended) -> None:
        if child.profile.isolated:
            return  # its job did it, as it had done before
        if child.generation is self._reloader.next:
            self._reloader.fail(f"a worker of the new generation crashed: {ended}")
        elif child.permanent and not child.generation.proven and not self._announced:
            self._begin_stop("the application could not be imported", Exit.SOFTWARE)
        if self._pools.all_failed:
            self._begin_stop("every pool was given up", Exit.POOL_FAILED)

    # what follows

    def _tick(self, now: float) -> None:
        self._tick_helpers(now)
        self._hung.tick(now)
        if reason := self._pools.tick(now):
            self._reloader.fail(reason)
        for action in plan.plan(self._pools.view(self._mode), now):
            self._act(action, now)
        if self._mode is Mode.RUNNING and not self._announced and self._pools.in_place:
            self._announced = True
            workers, seconds = len(self._crew), now - self._begun
            self._events.emit("parent.ready", workers=workers, seconds=seconds)
        if self._mode is Mode.STOPPING:
            self._leave(now)
        if self._strangers and not self._crew.spawning:
            # Not while a worker is being made: it may have died unnamed, and its status must not be taken.
            self._strangers = not pidfd.reap_strangers(self._our_pids())
        stopping = self._mode is Mode.STOPPING
        self._vitals.beat(now, self._crew, self._pools, started=self._announced, stopping=stopping)
        self._show()
        self._notices.tick(now, self._mode, self._stop.give_up_at)  # last: all of this has been done

    def _tick_helpers(self, now: float) -> None:
        self._guard.tick(now)
        if self._guard.up:
            self._house.keeper.tick(now)
        if self._house.up:
            self._reloader.tick(now)

    def _act(self, action: plan.Action, now: float) -> None:
        match action:
            case plan.Spawn(pool):
                self._crew.spawn(self._pools.generation(pool), pool, now)
            case plan.Quiet(nonce):
                self._crew.quiet(nonce)
            case plan.Drain(nonce, patient):
                self._crew.drain(nonce, min(now, self._stop.begun), patient=patient)
            case plan.Kill(nonce):
                self._crew.kill(nonce, now)

    def _begin_stop(self, reason: str, code: Exit | None = None, *, at_once: bool = False) -> None:
        if self._mode is Mode.STOPPING:
            return
        self._mode = Mode.STOPPING
        seconds = self._stop.begin(clock.monotonic(), [child.profile for child in self._crew], reason, code)
        self._events.emit("stop.begun", seconds=seconds)
        self._drains.stop(self._crew, self._house.durations, -FOREVER if at_once else self._stop.begun)
        self._reloader.give_up("jobsup is stopping")
        self._house.count_from_now()
        self._crew.count_from_now()

    def _leave(self, now: float) -> None:
        """In the reverse order of the start: each is kept for as long as another may need it."""
        if len(self._crew) and now < self._stop.give_up_at:
            return
        if not self._house.settled(now):
            return
        self._house.stop()
        self._reloader.stop()
        if self._house.keeper.gone:
            self._guard.stop()

    def _finished(self) -> bool:
        now = clock.monotonic()
        if now >= self._stop.leave_at:
            return True
        if self._mode is not Mode.STOPPING or (len(self._crew) and now < self._stop.give_up_at):
            return False
        return all(helper.gone and not helper.wanted for helper in self._helpers)

    def _exit_code(self) -> Exit:
        return self._stop.exit_code(
            failed=bool(self._crew.failed_pools()),
            left_behind=self._house.left_behind or len(self._crew) > 0,
            given_back=bool(self._crew.given_back or self._crew.interrupted or self._house.given_back),
        )

    def _switch(self, generation: Generation) -> None:
        on_trial = generation is self._reloader.next
        self._pools.switch(generation, on_trial=on_trial)
        self._drains.switch(self._crew, self._house.durations, generation, on_trial=on_trial)
        self._house.configure(generation.config)

    def _deadline(self, now: float) -> float:
        return min(
            plan.next_deadline(self._pools.view(self._mode), now),
            self._pools.deadline(now),
            self._hung.deadline,
            self._notices.deadline,
            self._guard.deadline,
            self._house.deadline if self._guard.up else FOREVER,
            self._reloader.deadline if self._house.up else FOREVER,
            self._stop.give_up_at if len(self._crew) and now < self._stop.give_up_at else FOREVER,
            self._stop.leave_at,
        )

    def _our_pids(self) -> set[int]:
        return self._crew.pids | self._reloader.pids | {helper.pid for helper in self._helpers}

    @property
    def _helpers(self) -> list[Helper]:
        templates = [template for generation in self._reloader.generations for template in generation.templates]
        return [self._house.keeper, *templates, *self._guard.helpers]

    def _state(self) -> str:
        if self._mode is not Mode.RUNNING:
            return self._mode.name.lower()
        return "running" if self._announced else "starting"

    def _show(self) -> None:
        title = proctitle.parent(len(self._crew), stopping=self._mode is Mode.STOPPING)
        if title != self._title:
            self._title = title
            proctitle.set_title(title)


def run(config: Config, *, argv: list[str], cwd: str, commands: Commands = COMMANDS) -> int:
    """The parent's process, from exec to exit code."""
    faulthandler.enable()  # should a watchdog end us (SIGABRT), the log says where we hung
    events = Events()
    events.subscribe(Logger("parent", form=config.log_format, level="debug" if config.verbose else "info"))
    if file := lastwords.path(os.environ):
        events.subscribe(lastwords.LastWords(file))
    try:
        supervisor = Supervisor(config, argv=argv, cwd=cwd, events=events, commands=commands)
    except SocketInUse as error:
        events.emit("start.refused", sentence=str(error))
        return Exit.CANT_CREATE
    try:
        return supervisor.run()
    except Exception:  # noqa: BLE001
        # A bug of ours.  Everybody sees EOF now, drains and leaves; who restarts us learns that it was no stop.
        events.emit("parent.crashed", traceback=traceback.format_exc())
        return Exit.SOFTWARE
