"""A generation: one state of the configuration and the code, and the templates that loaded it."""

from collections.abc import Callable, Iterable
from typing import Any

from jobsup.clock import FOREVER
from jobsup.config.model import Config, Profile
from jobsup.parent.helper import Helper
from jobsup.parent.loop import Context
from jobsup.unix.link import Message


def groups(profiles: Iterable[Profile]) -> list[list[Profile]]:
    """Profiles that can share a template: the same modules imported, in the same environment."""
    found: dict[tuple[Any, ...], list[Profile]] = {}
    for profile in profiles:
        key = (profile.require, profile.preload, tuple(sorted(profile.env.items())))
        found.setdefault(key, []).append(profile)
    return list(found.values())


class Generation:
    """The templates of one configuration.

    Attributes:
        proven: True once one of its workers was READY: what fails from then on is not the application's
            import but something that may pass.
    """

    def __init__(
        self,
        context: Context,
        number: int,
        config: Config,
        *,
        on_message: Callable[["Generation", Helper, Message, list[int]], None],
        on_end: Callable[["Generation", Helper], None],
    ) -> None:
        self.number = number
        self.config = config
        self.proven = False
        self.profiles = {profile.name: profile for profile in config.profiles}
        """By the name of the pool, those of the suspects among them."""
        self.templates: list[Helper] = []
        self._by_profile: dict[str, Helper] = {}
        for group in groups(config.profiles):
            hello = {
                "op": "load",
                "config": config.dump(),
                "profiles": [profile.name for profile in group],
                "generation": number,
            }
            template = Helper(
                context,
                f"Template {number}",
                role="template",
                fds=(context.hold,),
                env=group[0].env,
                boot_timeout=max(profile.boot_timeout for profile in group),
                hello=hello.copy,
                on_message=lambda helper, message, fds: on_message(self, helper, message, fds),
                on_end=lambda helper: on_end(self, helper),
            )
            self.templates.append(template)
            self._by_profile.update((profile.name, template) for profile in group)
        for profile in config.profiles:
            suspects = config.quarantine(profile)
            self.profiles[suspects.name] = suspects
            self._by_profile[suspects.name] = self._by_profile[profile.quarantine or profile.name]

    @property
    def loaded(self) -> bool:
        return all(template.ready for template in self.templates)

    @property
    def gone(self) -> bool:
        return all(template.gone for template in self.templates)

    @property
    def deadline(self) -> float:
        return min((template.deadline for template in self.templates), default=FOREVER)

    def template(self, pool: str) -> Helper:
        """The one that forks the workers of *pool*."""
        return self._by_profile[pool]

    def tick(self, now: float) -> None:
        for template in self.templates:
            template.tick(now)

    def stop(self) -> None:
        for template in self.templates:
            template.stop()
