"""Where our sockets and state live, and that nobody else can have put something there."""

from __future__ import annotations

import os
import stat

from jobsup.errors import JobsupError

TYPE_CHECKING = False  # see the package's __init__: ``ctl ping`` loads this
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SOCKET = 100
"""Bytes of a Unix socket's path: the smallest ``sun_path`` is 104, with its NUL and room to spare."""


def working_directory(environ: Mapping[str, str]) -> str:
    """The current directory as the shell names it, with its links.

    Deploys switch a link (``app/current``) to the new release: a reload must follow it, and would not from the
    resolved path.

    Raises:
        JobsupError: the directory was removed.
    """
    logical = environ.get("PWD", "")
    try:
        if os.path.isabs(logical) and os.path.samefile(logical, os.curdir):
            return logical
    except OSError:
        pass  # $PWD is left over from somewhere else
    try:
        return os.getcwd()
    except OSError as error:
        raise JobsupError("the current directory no longer exists; change to one that does") from error


def control_socket(given: str | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """The control socket's path, and which setting decided it.

    The order: *given* (``--ctl``), ``JOBSUP_CTL``, systemd's ``RUNTIME_DIRECTORY``, a directory of this user.
    """
    if given:
        return os.path.abspath(given), "flag --ctl"
    if path := environ.get("JOBSUP_CTL"):
        return os.path.abspath(path), "$JOBSUP_CTL"
    if directories := environ.get("RUNTIME_DIRECTORY"):  # systemd separates several by colons
        return os.path.join(directories.split(":")[0], "ctl.sock"), "$RUNTIME_DIRECTORY"
    if directory := environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(directory, "jobsup", "ctl.sock"), "$XDG_RUNTIME_DIR"
    return f"/tmp/jobsup-{os.getuid()}/ctl.sock", "default"  # noqa: S108 (see private_directory)


def state_directory(given: str, environ: Mapping[str, str]) -> str:
    """Where the embedded server keeps its data: *given*, else ``$XDG_STATE_HOME/jobsup``, absolute."""
    base = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME") or "~", ".local", "state")
    return os.path.abspath(os.path.expanduser(given or os.path.join(base, "jobsup")))


def private_directory(path: str) -> None:
    """Make *path*, for this user alone (0700), and be sure that it is.

    Raises:
        JobsupError: it cannot be made, or it is a link, somebody else's, or open to others.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise JobsupError(f"cannot make the directory {path}: {error.strerror}; name another") from error
    # Under /tmp anybody may have made it first: lstat, so that a link is not followed to a directory of ours.
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise JobsupError(f"{path} must be a directory of this user with mode 0700; remove it or name another")
