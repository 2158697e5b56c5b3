"""Profiles as ``check`` was given them with ``-C``."""

from jobsup.config.model import Capsule, Profile
from jobsup.config.platform.needs import Given


def profile(name: str, max_timeout: float, kill_after: float = 5.0) -> Profile:
    capsule = Capsule("default", 5, (("default", 0),))
    return Profile(name, 2, (capsule,), max_timeout=max_timeout, kill_after=kill_after, path=f"/configs/{name}.yml")


GIVEN = Given([profile("sidekiq", 20), profile("heavy", 60)], frozenset({"heavy"}))
