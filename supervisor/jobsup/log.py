"""Every sentence that an operator can read in the log lives in the table below.

A record is one line on standard error.  It is written only when the descriptor takes it at once: a full
pipe, a full disk, or a log reader that went away must never stop supervision or a job.
"""

import json
import os
import select
import stat
import time
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

_ORDER: dict[Level, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}

SENTENCES: dict[str, tuple[Level, str]] = {
    "log.lost": ("warning", "{lines} lines of this process are missing above: the log had no room for them"),
    # parent
    "parent.started": ("info", "jobsup {version} started: {pools}"),
    "parent.ready": ("info", "All {workers} workers are ready after {seconds:.2f}s"),
    "parent.signal": ("info", "Received {signal}: {meaning}"),
    "parent.crashed": (
        "error",
        "jobsup itself failed; all processes finish what they run, and leave:\n{traceback}",
    ),
    "parent.stopped": ("info", "Stopped after {seconds:.1f}s, exit code {code} ({reason})"),
    "start.refused": ("error", "{sentence}"),
    "stop.begun": ("info", "Stopping: jobs may finish within {seconds:.1f}s"),
    "drain.forecast": ("info", "{sentence}"),
    "drain.report": ("info", "{sentence}"),
    "child.started": ("debug", "Started {child} (pid {pid}, generation {generation})"),
    "child.ready": ("info", "{child} is ready (pid {pid}, generation {generation}) after {seconds:.3f}s"),
    "child.ended": ("info", "{child} (pid {pid}) ended: {verdict}"),
    "child.crashed": ("error", "{child} (pid {pid}) crashed: {verdict}; replaced in {seconds:.1f}s"),
    "child.done": ("debug", "{child} (pid {pid}) has no suspects left: {verdict}"),
    "child.late": ("warning", "{child} (pid {pid}) has not got on for {seconds:.0f}s: {meaning}\n{stacks}"),
    "child.worn": ("info", "Replacing {child} (pid {pid}): {reason}"),
    "child.stacks": ("error", "{child} (pid {pid}) wrote as it died:\n{stacks}"),
    "child.killed": ("warning", "Killing {child} (pid {pid}): {reason}"),
    "boot.failed": ("error", "{child} could not start:\n{traceback}"),
    "spawn.failed": ("error", "Could not start {child}: {error}; next try in {seconds:.1f}s"),
    "pool.held": ("warning", "Pool {pool} fetches nothing more until there is room: {reason}"),
    "pool.released": ("info", "Pool {pool} works as configured again: there is room"),
    "pool.failed": ("error", "Pool {pool} is given up: {deaths} deaths within {seconds:.0f}s"),
    "reload.begun": ("info", "Reloading: generation {generation}"),
    "pools.scaled": ("info", "Scaled as asked: {sizes}"),
    "reload.done": ("info", "Reloaded: generation {generation} has taken over after {seconds:.1f}s"),
    "reload.failed": ("error", "Reload refused, generation {generation} goes on: {reason}"),
    # keeper
    "health.served": ("info", "Probes are answered on {address}: /startup, /live, /ready; metrics: /metrics"),
    "health.unserved": ("error", "Probes cannot be answered on {address}: {error}"),
    "metrics.refused": ("warning", "/metrics is without what Redis refuses to tell: {error}"),
    "keeper.gave_back": ("info", "Gave back {jobs} jobs of {identity} in {seconds:.3f}s"),
    "keeper.measured": ("debug", "Read how long the jobs of {classes} classes take"),
    "keeper.swept": ("warning", "{identity} has not been heard of: gave back {jobs} jobs"),
    "keeper.isolated": (
        "warning",
        "{jobs} jobs were running in {identity} when it crashed; each runs again in a process of its own",
    ),
    "job.poison": ("error", "{klass} {jid} is dead: it killed its process {kills} times within 72 hours"),
    "redis.lost": ("error", "Redis is away: {error}; waiting for it"),
    "redis.found": ("info", "Redis is back after {seconds:.1f}s"),
    "redis.primary": ("info", "The Sentinels name {address} as the primary"),
    "redis.warning": ("warning", "{sentence}"),
    "embedded.ended": ("error", "The embedded server ended with code {code}"),
    # worker
    "worker.ready": ("debug", "Fetching from {queues} as {identity}"),
    "worker.quiet": ("info", "Quiet: fetching nothing more, {busy} jobs running"),
    "worker.draining": ("info", "Draining: {busy} jobs have until {seconds:.1f}s from now"),
    "worker.interrupted": ("warning", "Interrupting {jobs} jobs at the drain deadline: {jids}"),
    "worker.stuck": (
        "error",
        "{klass} {jid} has run for {seconds:.1f}s and does not heed that it is to end; the process leaves without it",
    ),
    "worker.fenced": (
        "error",
        "{identity} was given up by the others; abandoning {jobs} jobs, starting afresh",
    ),
    "worker.crashed": (
        "error",
        "A thread of jobsup failed; the process ends and its jobs are given back:\n{traceback}",
    ),
    "worker.stacks": ("warning", "Stacks of all threads:\n{stacks}"),
    "queue.broken": (
        "error",
        "The key of queue {queue} is not a list; nothing can be fetched from it until it is",
    ),
    "job.start": ("debug", "{klass} {jid} start"),
    "job.done": ("debug", "{klass} {jid} done in {seconds:.3f}s"),
    "job.failed": ("warning", "{klass} {jid} failed after {seconds:.3f}s: {error}"),
    "job.cancelled": ("warning", "{klass} {jid} cancelled by request after {seconds:.3f}s"),
    "job.over_limit": ("warning", "{klass} {jid} failed: it ran for {seconds:.1f}s and did not heed its time limit"),
    "job.paused": ("info", "{klass} {jid} stopped between two items after {seconds:.3f}s; given back"),
    "job.unkept": (
        "warning",
        "{klass} {jid} cannot keep its place: {error}; it goes on, and may repeat what it does meanwhile",
    ),
    "job.interrupted": ("warning", "{klass} {jid} interrupted after {seconds:.3f}s; given back"),
    "job.buried": ("error", "{klass} {jid} is dead: {error}"),
    "job.worn": ("error", "{klass} {jid} is not given back: stops have interrupted it more often than it allows"),
    "job.malformed": ("error", "Moved something that is not a job from {queue} to the dead set: {error}"),
    "job.fenced": ("warning", "{klass} {jid} had been given to others; its outcome is dropped"),
}


_CONTROL = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}


def sentence(name: str, facts: dict[str, Any]) -> str:
    """What is said of one event; one line, unless its sentence holds a traceback."""
    template = SENTENCES[name][1]
    text = template.format(**facts)
    # Names come from payloads: none may write a line of its own, or steer a terminal.
    return text if "\n" in template else printable(text)


def printable(text: str) -> str:
    """*text* on one line, its control characters escaped."""
    return text.translate(_CONTROL)


class StandardError:
    """Takes lines without ever waiting for whoever reads them.  Any thread may write."""

    def __init__(self, fd: int = 2) -> None:
        self._fd = _without_waiting(fd)
        self._torn = False

    def write(self, line: bytes) -> bool:
        """False when *line* was not taken, or only its beginning."""
        if self._torn:
            line = b"\n" + line
        # A pipe that polls writable takes PIPE_BUF bytes without blocking; longer lines go in such pieces.
        taken = 0
        try:
            while taken < len(line) and self._has_room():
                taken += os.write(self._fd, line[taken : taken + select.PIPE_BUF])
        except OSError:
            pass  # EPIPE, ENOSPC, EIO: nobody reads, or nobody can keep it
        if taken:
            self._torn = taken < len(line)
        return taken == len(line)

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(0))


def _without_waiting(fd: int) -> int:
    """What *fd* writes to, opened once more in non-blocking mode; *fd* itself where that cannot be done.

    The mode belongs to the open file, not to the descriptor: set on *fd* it would be that of every process that
    shares it, of the shell too.  Without it two processes that see the last room in a pipe both write, and one waits.
    """
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        pass
    return fd


class Logger:
    """Subscribes to ``Events`` and writes one line per event.

    A line that nobody takes is dropped; the next one that is taken follows a line that says how many were.
    """

    def __init__(
        self,
        role: str,
        *,
        form: Literal["text", "json"] = "text",
        level: Level = "info",
        write: Callable[[bytes], bool] | None = None,
    ) -> None:
        """*write* gets one line and returns whether it was taken."""
        self.role = role
        self._json = form == "json"
        self._threshold = _ORDER[level]
        self._write = write or StandardError().write
        self._pid = os.getpid()
        self._lost = 0

    def __call__(self, name: str, facts: dict[str, Any]) -> None:
        if _ORDER[SENTENCES[name][0]] < self._threshold:
            return
        lost = self._lost
        if lost and self._write(self._line("log.lost", {"lines": lost})):
            self._lost -= lost
        if self._lost or not self._write(self._line(name, facts)):
            self._lost += 1

    def _line(self, name: str, facts: dict[str, Any]) -> bytes:
        level = SENTENCES[name][0]
        now = time.time()
        text = sentence(name, facts)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        if self._json:
            record = {"ts": stamp, "lvl": level, "pid": self._pid, "role": self.role, "event": name}
            line = json.dumps(record | {"msg": text, "ctx": facts}, default=str)
        else:
            line = f"{stamp} {level.upper():7} {self.role} pid={self._pid} {text}"
        return line.encode("utf-8", "replace") + b"\n"
