"""A worker process, from its first instruction to its exit code."""

from __future__ import annotations

import encodings.idna  # noqa: F401  for every host's name: whoever is forked without it loads it by himself
import faulthandler
import os
import signal
from collections.abc import Callable
from functools import partial

from jobsup import client
from jobsup.config.model import Config, Profile
from jobsup.errors import explained
from jobsup.exits import Exit
from jobsup.jobs import loading
from jobsup.store import connection
from jobsup.unix.link import Link
from jobsup.unix.slot import Slot
from jobsup.unix.wakeup import Wakeup
from jobsup.worker.launcher import Launcher


def prepare(config: Config) -> Callable[[Link, Slot, Profile, str, int, bool], int]:
    """Make before the first fork what all workers share; returns their body, ``run`` without its first two arguments.

    Raises:
        RedisRefused: as ``store.connection.connect``.
    """
    return partial(run, config, connection.connect(config.redis_url))


def run(
    config: Config,
    redis: connection.Client,
    link: Link,
    memory: Slot,
    profile: Profile,
    nonce: str,
    generation: int,
    app_loaded: bool,
) -> int:
    """The body of a worker: called in the forked process with all signals blocked; returns its exit code.

    *redis* has not connected yet; no two processes may share a connection.
    """
    # Before any code of the application: a fault in C leaves its stacks where the parent finds them.
    faulthandler.enable(file=memory.fd)
    # Written in C, so it answers as well while a job holds the interpreter's lock.
    faulthandler.register(signal.SIGUSR1, file=memory.fd, chain=False)
    wakeup = Wakeup(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if not app_loaded:
        try:
            loading.load(profile.require, os.getcwd())
        except BaseException as error:  # noqa: BLE001  sys.exit() on import is a failed import too
            link.send("failed", traceback=explained(error), permanent=True)
            return Exit.SOFTWARE
    # Jobs that enqueue jobs mean the Redis they came from, not whatever the environment names.
    client.offer(lambda: client.Client(config.redis_url, wire=profile.wire))
    return Launcher(link, memory, config, redis, profile, nonce, generation, wakeup).run()
