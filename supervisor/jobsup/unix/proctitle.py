"""What ``ps`` shows of each process.  Never anything of a job's arguments or of a URL."""

import setproctitle

from jobsup import __version__

_PREFIX = f"jobsup {__version__}"


def parent(workers: int, *, stopping: bool = False) -> str:
    plural = "worker" if workers == 1 else "workers"
    return f"{_PREFIX} parent [{workers} {plural}]{_suffix(stopping)}"


def template(generation: int) -> str:
    return f"{_PREFIX} template gen {generation}"


def keeper(*, stopping: bool = False) -> str:
    return f"{_PREFIX} keeper{_suffix(stopping)}"


def embedded() -> str:
    return f"{_PREFIX} embedded"


def worker(pool: str, busy: int, concurrency: int, *, stopping: bool = False) -> str:
    """As Sidekiq's title; *pool* is the profile's name."""
    return f"{_PREFIX} {pool} [{busy} of {concurrency} busy]{_suffix(stopping)}"


def set_title(title: str) -> None:
    """Show *title* for this process."""
    setproctitle.setproctitle(title)


def _suffix(stopping: bool) -> str:
    return " stopping" if stopping else ""
