"""Puts the halves together: ``python -P -m jobsup.assembly ROLE FD…`` is every process that is exec'ed.

Each role imports what it needs inside its own function, so that the parent loads neither Redis nor the
worker, and a template no keeper.  Of the descriptors, ``hold`` is only kept open: while any process has it,
the embedded server stays.

| role | descriptors |
|---|---|
| parent | a file with ``{"config", "argv", "cwd"}`` as JSON |
| template | link to the parent, hold |
| keeper | link to the parent, hold, pulse |
| embedded | link to the parent, the end of hold that reads EOF |
"""

import json
import os
import sys
from collections.abc import Callable, Sequence

from jobsup.exits import Exit


def parent(start: int) -> int:
    from jobsup.config.model import Config
    from jobsup.parent import supervisor

    os.lseek(start, 0, os.SEEK_SET)
    with open(start, "rb") as file:
        data = json.load(file)
    return supervisor.run(Config.load(data["config"]), argv=data["argv"], cwd=data["cwd"])


def template(link: int, hold: int) -> int:
    from jobsup.store import scripts
    from jobsup.template import main

    # Before the first fork, application or not: a replacement must be READY in milliseconds, not import Redis.
    from jobsup.worker.main import prepare

    scripts.load()
    os.set_inheritable(hold, False)
    return main.run(link, prepare)


def keeper(link: int, hold: int, pulse: int) -> int:
    from jobsup.keeper import main
    from jobsup.unix.pulse import Pulse

    os.set_inheritable(hold, False)
    os.set_inheritable(pulse, False)
    return main.run(link, Pulse(pulse))


def embedded(link: int, hold: int) -> int:
    from jobsup.embedded import guard

    return guard.run(link, hold)


ROLES: dict[str, Callable[..., int]] = {
    "parent": parent,
    "template": template,
    "keeper": keeper,
    "embedded": embedded,
}


def main(argv: Sequence[str]) -> int:
    role, *fds = argv or [""]
    if role not in ROLES or not all(fd.isdecimal() for fd in fds):
        print("jobsup.assembly is started by jobsup itself; run `jobsup --help`", file=sys.stderr)
        return Exit.USAGE
    return ROLES[role](*map(int, fds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
