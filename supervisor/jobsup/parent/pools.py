"""What is wanted: the size and the generation of every pool."""

from jobsup.config.model import QUARANTINE
from jobsup.parent import plan
from jobsup.parent.crew import Crew
from jobsup.parent.generation import Generation
from jobsup.parent.stages import Stage
from jobsup.typedefs import JSON


class Pools:
    """The pools of the generation that is to be, and those that shrink to nothing.

    1. switch    have the pools of another generation
    2. isolate   have workers for suspects
    3. view      the state as the plan sees it
    """

    def __init__(self, crew: Crew, first: Generation) -> None:
        self._crew = crew
        self._pools: dict[str, tuple[int, Generation]] = {}
        self.switch(first)

    def switch(self, generation: Generation) -> None:
        """Make *generation* the one that every pool is to have; pools it does not know shrink to nothing."""
        self._pools = {
            **dict.fromkeys(self._pools, (0, generation)),
            # Those of the suspects first: their jobs have begun once already.
            **{name: (0, generation) for name, profile in generation.profiles.items() if profile.isolated},
            **{p.name: (p.processes, generation) for p in generation.config.profiles},
        }
        self._crew.forgive()

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
    def all_failed(self) -> bool:
        """Whether every pool that is to have workers was given up."""
        failed = set(self._crew.failed_pools())
        return bool(failed) and failed >= {name for name, (size, _) in self._pools.items() if size}

    @property
    def in_place(self) -> bool:
        """Whether every pool has its workers READY, and none but those of its generation."""
        staying = [child for child in self._crew if child.stage < Stage.DRAINING]
        for name, (size, generation) in self._pools.items():
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
        for name, (size, generation) in self._wanted().items():
            record = self._crew.pool(name)
            loaded = name in generation.profiles and generation.template(name).ready
            records.append(plan.Pool(name, size, generation.number, loaded, record.holds, record.failed))
        return plan.State(mode, tuple(records), tuple(child.view() for child in self._crew))

    def status(self, now: float) -> list[JSON]:
        """For ``ctl status``: every pool with its children."""
        return [
            {
                "name": name,
                "size": size,
                "generation": generation.number,
                "failed": self._crew.pool(name).failed,
                "crashes": self._crew.pool(name).crashes.recent(now),
                "children": [child.status(now) for child in self._crew if child.profile.name == name],
            }
            for name, (size, generation) in self._wanted().items()
            if size or not _isolates(name, generation)
        ]

    def _wanted(self) -> dict[str, tuple[int, Generation]]:
        """The pools, with as many workers for suspects as are wanted now."""
        return {
            name: (self._crew.pool(name).suspects if _isolates(name, generation) else size, generation)
            for name, (size, generation) in self._pools.items()
        }


def _isolates(pool: str, generation: Generation) -> bool:
    return pool in generation.profiles and generation.profiles[pool].isolated
