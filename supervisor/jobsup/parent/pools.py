"""What is wanted: the size and the generation of every pool."""

from jobsup.clock import FOREVER
from jobsup.config.model import QUARANTINE, Profile
from jobsup.parent import plan, wear
from jobsup.parent.canary import Trial
from jobsup.parent.crew import Crew
from jobsup.parent.generation import Generation
from jobsup.parent.governor import Governor
from jobsup.parent.stages import Stage
from jobsup.typedefs import JSON


class Pools:
    """The pools of the generation that is to be, and those that shrink to nothing.

    1. switch    have the pools of another generation
    2. tick      judge the first workers of that generation, a sentence if it must not take over; find who is worn
    3. scale     have another size of a pool than its profile says
    4. isolate   have workers for suspects
    5. view      the state as the plan sees it
    """

    def __init__(self, crew: Crew, first: Generation, governor: Governor | None = None) -> None:
        self._crew = crew
        self._wear = wear.Watch(crew)
        self.governor = governor or Governor(crew)
        self._pools: dict[str, tuple[int, Generation]] = {}
        self._scaled: dict[str, tuple[int, int]] = {}
        """Name -> what the profile said, and what was asked for instead."""
        self._trial: Trial | None = None
        self.switch(first, on_trial=False)

    def switch(self, generation: Generation, *, on_trial: bool) -> None:
        """Make *generation* the one that every pool is to have; pools it does not know shrink to nothing.

        *on_trial*: its first workers have to prove themselves.
        """
        self._generation = generation
        self._trial = Trial(self._crew, generation) if on_trial else None
        self._pools = {
            **dict.fromkeys(self._pools, (0, generation)),
            # Those of the suspects first: their jobs have begun once already.
            **{name: (0, generation) for name, profile in generation.profiles.items() if profile.isolated},
            **{p.name: (self._size(p), generation) for p in generation.config.profiles},
        }
        self._crew.forgive()

    def scale(self, sizes: dict[str, int]) -> str | None:
        """Have so many workers in each of these pools, until the profile says another number; or a sentence why not."""
        known = {profile.name: profile for profile in self._generation.config.profiles}
        if wrong := sorted(sizes.keys() - known.keys()):
            return f"There is no pool {wrong[0]}; there are {', '.join(known)}."
        for name, size in sizes.items():
            self._scaled[name] = known[name].processes, size
            self._pools[name] = size, self._generation
        return None

    def _size(self, profile: Profile) -> int:
        configured, asked_for = self._scaled.get(profile.name, (0, 0))
        return asked_for if configured == profile.processes else profile.processes

    def tick(self, now: float) -> str | None:
        self._wear.tick(now)
        self.governor.tick(now, {name: size for name, (size, _) in self._pools.items()})
        return self._trial.tick(now) if self._trial else None

    def deadline(self, now: float) -> float:
        return min(self._wear.deadline, self.governor.deadline, self._trial.deadline(now) if self._trial else FOREVER)

    @property
    def on_trial(self) -> list[str]:
        """The pools whose first new worker has not proved itself yet."""
        return self._trial.waiting if self._trial else []

    def generation(self, name: str) -> Generation:
        """The one that the pool is to have."""
        return self._pools[name][1]

    def isolate(self, queues: dict[str, int], generation: Generation) -> None:
        """Jobs lie in quarantines: whoever serves their queues has workers for them."""
        for profile in generation.config.profiles:
            waiting = sum(queues.get(queue, 0) for queue in profile.queues)
            if waiting:
                self._crew.isolate(profile.name + QUARANTINE, min(waiting, profile.concurrency))

    @property
    def sizes(self) -> dict[str, int]:
        """How many workers each pool is to have; those for suspects come and go and are not among them."""
        return {name: size for name, (size, of) in self._pools.items() if size and not _isolates(name, of)}

    @property
    def all_failed(self) -> bool:
        """Whether every pool that is to have workers was given up."""
        failed = set(self._crew.failed_pools())
        return bool(failed) and failed >= {name for name, (size, _) in self._pools.items() if size}

    @property
    def in_place(self) -> bool:
        """Whether every pool has its workers READY, and none but those of its generation."""
        if self.on_trial:
            return False
        staying = [child for child in self._crew if child.stage < Stage.DRAINING]
        for name, (size, generation) in self.wanted().items():
            if _isolates(name, generation):
                continue  # they come and go
            mine = [child for child in staying if child.profile.name == name]
            if any(child.generation is not generation for child in mine):
                return False
            if sum(child.stage is Stage.READY for child in mine) < size:
                return False
        return True

    def view(self, mode: plan.Mode) -> plan.State:
        records = []
        for name, (size, generation) in self.wanted().items():
            record = self._crew.pool(name)
            loaded = name in generation.profiles and generation.template(name).ready
            profile = generation.profiles.get(name)
            more = (profile.surge, profile.max_generations) if profile else ()
            alone = name in self.on_trial
            records.append(plan.Pool(name, size, generation.number, loaded, record.holds, record.failed, alone, *more))
        return plan.State(mode, tuple(records), tuple(child.view() for child in self._crew))

    def status(self, now: float) -> list[JSON]:
        """For ``ctl status``: every pool with its children."""
        return [
            {
                "name": name,
                "size": size,
                "generation": generation.number,
                "failed": self._crew.pool(name).failed,
                "held": name in self._crew.held,
                "crashes": self._crew.pool(name).crashes.recent(now),
                "children": [child.status(now) for child in self._crew if child.profile.name == name],
            }
            for name, (size, generation) in self.wanted().items()
            if size or not _isolates(name, generation)
        ]

    def wanted(self) -> dict[str, tuple[int, Generation]]:
        """The pools, with as many workers as are wanted now: for suspects, and as far as there is memory."""
        held = self._crew.held
        return {
            name: (
                self._crew.pool(name).suspects if _isolates(name, generation) else min(size, held.get(name, size)),
                generation,
            )
            for name, (size, generation) in self._pools.items()
        }


def _isolates(pool: str, generation: Generation) -> bool:
    return pool in generation.profiles and generation.profiles[pool].isolated
