"""``jobsup`` without a subcommand: check everything, then become the parent."""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from typing import NoReturn

from jobsup.cli.main import fail
from jobsup.config.flags import Flags
from jobsup.config.resolve import Resolution, resolve
from jobsup.errors import JobsupError
from jobsup.exits import Exit
from jobsup.unix.paths import private_directory, working_directory


def run(flags: Flags, argv: Sequence[str]) -> NoReturn:
    """Check the configuration, say what is wrong with it, and become the parent process.

    Args:
        flags: what *argv* was parsed to.
        argv: the command line without the command, which a reload parses again.
    """
    directory = working_directory(os.environ)
    resolution = resolve(flags, os.environ, directory)
    for problem in resolution.problems:
        print(f"jobsup: {problem.level}: {problem}", file=sys.stderr)
    if resolution.config is None:
        sys.exit(Exit.CONFIG)
    try:
        _own_directory(resolution)
    except JobsupError as error:
        fail(f"the control socket: {error} (--ctl, JOBSUP_CTL)", Exit.CANT_CREATE)
    start = {"config": resolution.config.dump(), "argv": list(argv), "cwd": directory}
    fd = hand_over(json.dumps(start).encode())
    sys.stderr.flush()
    # -P: the parent must not import from the current directory, where an application may have a jobsup.py.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "jobsup.assembly", "parent", str(fd)])  # noqa: S606


def _own_directory(resolution: Resolution) -> None:
    """Make the per-user directory of the control socket; one that somebody chose is theirs to make."""
    ctl = resolution.supervisor["ctl"]
    if ctl.origin in {"default", "$XDG_RUNTIME_DIR"}:
        private_directory(os.path.dirname(ctl.value))


def hand_over(content: bytes) -> int:
    """An inheritable descriptor from which *content* can be read once; it may hold a password.

    In memory and sealed on Linux; elsewhere a file that no longer has a name.
    """
    if hasattr(os, "memfd_create"):
        import fcntl

        fd = os.memfd_create("jobsup-config", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(fd, content)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    else:
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            fd = os.dup(file.fileno())
    os.lseek(fd, 0, os.SEEK_SET)
    os.set_inheritable(fd, True)
    return fd
