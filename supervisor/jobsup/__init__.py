"""Background jobs for Python that survive deploys, compatible with Sidekiq.

The public names below are resolved when first asked for: a parent process, or a web process that only
enqueues, must not pay for what it does not use.
"""

# A probe starts within milliseconds or not at all, and typing alone takes five of them.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jobsup.client import Client as Client
    from jobsup.client import apush_many as apush_many
    from jobsup.client import push_many as push_many
    from jobsup.errors import Cancelled as Cancelled
    from jobsup.errors import Shutdown as Shutdown
    from jobsup.errors import TimeLimitExceeded as TimeLimitExceeded
    from jobsup.jobs.base import Job as Job
    from jobsup.jobs.decorator import job as job
    from jobsup.jobs.iterable import IterableJob as IterableJob

__version__ = "0.1.0"

__all__ = [
    "Cancelled",
    "Client",
    "IterableJob",
    "Job",
    "Shutdown",
    "TimeLimitExceeded",
    "apush_many",
    "job",
    "push_many",
]

_HOME = {
    "Cancelled": "jobsup.errors",
    "Client": "jobsup.client",
    "IterableJob": "jobsup.jobs.iterable",
    "Job": "jobsup.jobs.base",
    "Shutdown": "jobsup.errors",
    "TimeLimitExceeded": "jobsup.errors",
    "apush_many": "jobsup.client",
    "job": "jobsup.jobs.decorator",
    "push_many": "jobsup.client",
}


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    try:
        value = getattr(import_module(_HOME[name]), name)
    except KeyError:
        raise AttributeError(f"module 'jobsup' has no attribute {name!r}") from None
    globals()[name] = value
    return value
