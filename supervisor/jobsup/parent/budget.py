"""How long a start, a reload and a stop may take at most, in seconds.  Pure: sums of what bounds their steps."""

import math
from collections.abc import Iterable

from jobsup.config.model import Config, Profile
from jobsup.parent.helper import BOOT_TIMEOUT, STOP_GRACE
from jobsup.parent.resolver import RESOLVE_WITHIN
from jobsup.parent.stop import SETTLE_WITHIN

AFTER_THE_WORKERS = SETTLE_WITHIN + 2 * STOP_GRACE
"""From the last worker's end to our own: jobs go back, keeper and templates leave, then the embedded server."""


def start(config: Config) -> float:
    """From exec to READY: the embedded server, the keeper, the templates, the workers."""
    helpers = 2 if config.embedded else 1
    slowest = max(profile.boot_timeout for profile in config.profiles)
    return helpers * BOOT_TIMEOUT + 2 * slowest


def reload(config: Config) -> float:
    """From the request to its end: reading, loading, then the slots of the largest pool one after the other."""
    slowest = max(profile.boot_timeout for profile in config.profiles)
    return RESOLVE_WITHIN + slowest + max(_switching(profile) for profile in config.profiles)


def _switching(profile: Profile) -> float:
    canary = profile.boot_timeout + profile.canary_seconds
    return canary + math.ceil(profile.processes / max(1, profile.surge)) * profile.boot_timeout


def stop(profiles: Iterable[Profile]) -> float:
    """From TERM to the exit."""
    longest = max((profile.max_timeout + profile.kill_after for profile in profiles), default=0.0)
    return longest + SETTLE_WITHIN + AFTER_THE_WORKERS
