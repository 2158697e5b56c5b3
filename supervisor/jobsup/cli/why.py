"""``jobsup ctl why``: what a running job does, and what holds it up."""

from __future__ import annotations

import re
from typing import Any

from jobsup.unix.process import Activity
from jobsup.unix.slot import AWAITED

_THREAD = re.compile(r"^(?:Current thread|Thread) 0x([0-9a-f]+)", re.MULTILINE)
_IDLE = re.compile(r'File ".*[/\\](?:selectors\.py", line \d+ in select|eventloop\.py", line \d+ in _run)$')
"""Where the thread of an event loop is when nothing on it has anything to do."""
_LATE = 3.0
"""Seconds without a tick of a main thread, which ticks each second, that say that it cannot run."""
_LOCKS = re.compile(r'File ".*[/\\\\]threading\.py"')


def stack_of(stacks: str, thread: int) -> str:
    """The stack of *thread* (its ident) among what faulthandler wrote; "" when it is not there."""
    stacks = stacks.partition(AWAITED)[0]
    heads = list(_THREAD.finditer(stacks))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        if int(head[1], 16) == thread:
            body = stacks[head.start() : following.start() if following else len(stacks)]
            return "\n".join(body.strip().splitlines()[1:])
    return ""


def awaited_in(stacks: str) -> str:
    """The stack of the async job among them; "" when it is not there."""
    return stacks.partition(AWAITED)[2].rstrip()


def verdict(found: dict[str, Any], thread: Activity | None, burnt: float, waits_in: str, stack: str) -> str:
    """One sentence.

    Args:
        found: the parent's answer.
        thread: what the job's thread does; None when it has ended.
        burnt: CPU seconds it used per second while we looked.
        waits_in: the kernel's function in which it sleeps, or "".
        stack: that thread's stack, innermost call first.
    """
    if thread is None:
        return "It has just ended."
    if thread.state in "Tt":
        return "Its process is stopped (SIGSTOP, or a debugger)."
    if thread.state == "D":
        return f"It waits for a disk or a file system that does not answer{_in(waits_in)}."
    if burnt >= 0.5 and found["last_heard_of"] > _LATE:
        return "It burns CPU in one call that holds the interpreter's lock: nothing else in its process runs."
    if found["async"] and _IDLE.match(_innermost(stack)):
        return "It awaits something that has not come yet; its event loop is free."
    if found["async"]:
        return "Its event loop is busy or held up: meanwhile no other async job of its process gets on."
    if thread.state == "R" or burnt >= 0.5:
        return "It runs on a CPU."
    if found["last_heard_of"] > _LATE:
        return "It waits in a call that holds the interpreter's lock: nothing else in its process runs."
    if _LOCKS.match(_innermost(stack)) or waits_in.startswith("futex"):
        return "It waits for a lock, or for another thread."
    return f"It waits in a system call{_in(waits_in)}: for a timer, a network or another process."


def _innermost(stack: str) -> str:
    return stack.strip().split("\n", 1)[0].strip()


def _in(function: str) -> str:
    return f" ({function})" if function else ""
