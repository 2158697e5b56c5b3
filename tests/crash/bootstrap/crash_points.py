"""Names every step that others can see of, and kills the process at the one that it was told.

The product knows nothing of this: the doors through which a process acts on the world are wrapped from outside, before
its own code is imported.  A point is ``ROLE SIDE NAME``; *before*: it has not happened; *after*: it has, and the
process has not used what came of it.

| door | names |
|---|---|
| redis-py's connection | the script and what it is to do (``turn r``), or the command; of a pipeline the first |
| ``Link`` | ``send OP``; ``receive OP`` (after only) |
| fork, posix_spawn, exec | ``fork``, ``spawn ROLE``, ``exec`` (before only); ``begin`` (after) in whoever was made |
| waitid, waitpid | ``reap``, when somebody has ended |
| prctl, pidfd_open, killpg, pidfd_send_signal, _exit | their names |
| the running table | ``note job``, ``strike job`` |
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

DIRECTORY = os.environ.get("CRASH_DIRECTORY", "")
POINT, _, _nth = os.environ.get("CRASH_POINT", "").rpartition(" ")
NTH = int(_nth or 0)
"""Which of all occurrences of the point, whichever process it is in, is the last thing that process comes to."""

_SETTLEMENT = {"a": 3, "f": 4, "b": 3, "i": 10, "r": 5, "d": 7}
"""How many arguments each settlement of ``turn.lua`` has."""

role = ""


def reach(side: str, name: str) -> None:
    point = f"{role} {side} {name}"
    _append("trace", f"{point}\n")
    # The position behind one byte appended is its number among those of all processes: no lock is needed.
    if point == POINT and _append("count", ".") == NTH:
        _append("died", f"{role} {os.getpid()} {time.time():.6f}\n")
        os.kill(os.getpid(), signal.SIGKILL)


def _append(name: str, text: str) -> int:
    fd = os.open(os.path.join(DIRECTORY, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, text.encode())
        return os.lseek(fd, 0, os.SEEK_CUR)
    finally:
        os.close(fd)


def become(new: str) -> None:
    global role
    role = new


def install() -> None:
    module = [*sys.orig_argv, "", ""][sys.orig_argv.index("-m") + 1 :] if "-m" in sys.orig_argv else ["", ""]
    became = {"jobsup": "starter", "jobsup.cli.resolve": "resolver", "jobsup.assembly": module[1]}.get(module[0])
    if became is None:
        return
    become(became)
    _wrap_system()
    _wrap_jobsup()
    if role in ("keeper", "template"):
        _wrap_redis()
    reach("after", "begin")


def _around(module: Any, attribute: str, name: str | Callable[..., str]) -> None:
    real = getattr(module, attribute)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        named = name if isinstance(name, str) else name(*args, **kwargs)
        reach("before", named)
        result = real(*args, **kwargs)
        reach("after", named)
        return result

    setattr(module, attribute, wrapped)


def _wrap_system() -> None:
    real_fork, real_waitid, real_waitpid = os.fork, os.waitid, os.waitpid

    def fork() -> int:
        reach("before", "fork")
        pid = real_fork()
        if pid == 0:
            become("middle" if role == "template" else "newborn")
        reach("after", "fork" if pid else "begin")
        return pid

    def waitid(kind: int, number: int, options: int) -> Any:
        if options & os.WNOWAIT or real_waitid(kind, number, options | os.WNOWAIT) is None:
            return real_waitid(kind, number, options)
        reach("before", "reap")
        found = real_waitid(kind, number, options)
        reach("after", "reap")
        return found

    def waitpid(pid: int, options: int) -> tuple[int, int]:
        real_waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        reach("before", "reap")
        found = real_waitpid(pid, options)
        reach("after", "reap")
        return found

    os.fork, os.waitid, os.waitpid = fork, waitid, waitpid  # type: ignore[assignment]
    _around(os, "posix_spawnp", lambda _file, argv, *_, **__: f"spawn {_program(argv)}")
    _around(os, "execv", "exec")
    _around(os, "_exit", "exit")
    _around(os, "pidfd_open", "pidfd_open")
    _around(os, "killpg", "killpg")
    _around(signal, "pidfd_send_signal", lambda _fd, sig: f"signal {signal.Signals(sig).name}")


def _program(argv: Sequence[str]) -> str:
    return "resolver" if "jobsup.cli.resolve" in argv else argv[argv.index("jobsup.assembly") + 1]


def _wrap_jobsup() -> None:
    from jobsup.unix import process, slot
    from jobsup.unix.link import Link

    _around(process, "_prctl", "prctl")
    _around(slot.Entry, "begin", "note job")
    _around(slot.Entry, "end", "strike job")
    _around(Link, "send", lambda _link, op, *_, **__: f"send {op}")
    real_receive = Link.receive

    def receive(link: Link) -> Any:
        messages = real_receive(link)
        for message, _ in messages:
            reach("after", f"receive {message['op']}")
        return messages

    Link.receive = receive  # type: ignore[method-assign]


def _wrap_redis() -> None:
    from importlib.resources import files

    from redis.connection import AbstractConnection
    from redis.exceptions import NoScriptError

    from jobsup.store import scripts
    from jobsup.worker import main as worker_main

    names: dict[Any, str] = {}
    for file in files("jobsup.store.lua").iterdir():
        name = file.name.removesuffix(".lua")
        names |= {scripts.script(name).sha: name, scripts.script(name).source: name}

    def named(args: Sequence[Any]) -> list[str]:
        word = str(args[0])
        if word in ("EVAL", "EVALSHA"):
            return _deeds(names[args[1]], args[3 + int(args[2]) :])
        return [f"{word} {args[1]}" if word in ("CLIENT", "CONFIG") else word]

    def reach_each(side: str, those: list[str]) -> None:
        for name in those:
            reach(side, name)

    real_send, real_pack, real_read = (
        AbstractConnection.send_command,
        AbstractConnection.pack_commands,
        AbstractConnection.read_response,
    )

    def expect(connection: Any, those: list[str], replies: int) -> None:
        connection.__dict__.setdefault("crash_points", deque()).append([those, replies])

    def send_command(self: Any, *args: Any, **kwargs: Any) -> Any:
        those = named(args)
        reach_each("before", those)
        result = real_send(self, *args, **kwargs)
        expect(self, those, 1)  # not sooner: sending may connect first, which sends and reads by itself
        return result

    def pack_commands(self: Any, commands: Any) -> Any:
        commands = list(commands)
        those = [f"{named(commands[0])[0]} and more" if len(commands) > 1 else named(commands[0])[0]]
        reach_each("before", those)
        expect(self, those, len(commands))
        return real_pack(self, commands)

    def read_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        executed = True
        try:
            return real_read(self, *args, **kwargs)
        except NoScriptError:
            executed = False
            raise
        finally:
            expected = self.__dict__.get("crash_points")
            if expected:
                expected[0][1] -= 1
                if expected[0][1] == 0:
                    those, _ = expected.popleft()
                    if executed:
                        reach_each("after", those)

    AbstractConnection.send_command = send_command
    AbstractConnection.pack_commands = pack_commands
    AbstractConnection.read_response = read_response

    real_run = worker_main.run

    def run(*args: Any) -> int:
        become("suspect" if args[4].isolated else "worker")
        return real_run(*args)

    worker_main.run = run


def _deeds(script: str, args: Sequence[Any]) -> list[str]:
    """*script*, with what it is asked to do: of the two scripts that do many things."""
    if script == "turn":
        actions, at = [], 5
        for _ in range(args[1]):
            actions.append(args[at])
            at += _SETTLEMENT[args[at]]
        return [f"turn {action}" for action in sorted(set(actions))] or ["turn take"]
    if script == "give_back" and len(args) > 3:
        return [f"give_back {args[3]}"]
    return [script]
