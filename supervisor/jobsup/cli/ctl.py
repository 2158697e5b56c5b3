"""``jobsup ctl``: ask or steer a running jobsup over its control socket.

Every request is answered at once; whoever waits, waits here, by asking again.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from jobsup.cli import ping
from jobsup.cli.why import awaited_in, stack_of, verdict
from jobsup.clock import Deadline
from jobsup.errors import JobsupError
from jobsup.log import printable
from jobsup.unix import ctlsock, process
from jobsup.unix.paths import control_socket

_POLL = 0.2
_LOOK = 0.5
"""Seconds between two looks at a thread: long enough to tell who burns CPU."""
_DEATHS = 5
"""The last deaths that the table shows; ``--json`` has more."""


class Nobody(JobsupError):
    """No supervisor listens on the path."""


class Remote:
    """A running supervisor, seen from the command line."""

    def __init__(self, path: str) -> None:
        self.path = path

    def ask(self, command: str, **details: str | bool | dict[str, int]) -> dict[str, Any]:
        """Raises: Nobody: nobody listens. JobsupError: it refuses, or cannot be reached."""
        try:
            reply = ctlsock.ask(self.path, {"command": command, **details})
        except (FileNotFoundError, ConnectionError):
            raise Nobody(
                f"No jobsup listens on {self.path}; start it, or name its socket with --ctl or JOBSUP_CTL"
            ) from None
        except (OSError, ValueError) as error:
            raise JobsupError(f"The control socket {self.path} does not answer: {error}") from error
        if not reply.get("ok"):
            raise JobsupError(str(reply.get("error")))
        return reply


@click.group("ctl")
@click.option("--ctl", "path", metavar="PATH", help="The control socket. Default: $JOBSUP_CTL, this user's own.")
@click.pass_context
def command(context: click.Context, path: str | None) -> None:
    """Ask or steer a running jobsup."""
    context.obj = Remote(control_socket(path, os.environ)[0])


@command.command("ping")
@click.pass_obj
def ping_(remote: Remote) -> None:
    """Succeed, without a word, when the parent answers. For probes: it starts within milliseconds."""
    sys.exit(ping.run(remote.path))


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.pass_obj
def status(remote: Remote, as_json: bool) -> None:
    """Print pools and processes."""
    found = remote.ask("status")
    del found["ok"]
    if as_json:
        print(json.dumps(found))
    elif sys.stdout.isatty():
        _show(found)
    else:
        print("\n".join(lines(found)))


@command.command()
@click.pass_obj
def quiet(remote: Remote) -> None:
    """Fetch nothing more; running jobs go on. Asked again, or of nobody, it succeeds as well."""
    try:
        remote.ask("quiet")
    except Nobody as nobody:
        print(f"{nobody} (so nothing is fetched)", file=sys.stderr)


@command.command()
@click.option("--wait", is_flag=True, help="Return when no job runs any more.")
@click.option("--timeout", type=click.FloatRange(min=0), help="Wait at most this many seconds; exit 1 then.")
@click.pass_obj
def drain(remote: Remote, wait: bool, timeout: float | None) -> None:
    """Fetch nothing more and let the running jobs end. The processes stay until they are stopped.

    With $JOBSUP_GRACE set for jobsup itself, --wait gives up in time for TERM to do the rest.
    """
    try:
        if not wait:
            remote.ask("quiet")
            return
        within = remote.ask("drain")["within"]
        limits = [seconds for seconds in (timeout, within) if seconds is not None]
        if not _wait(remote, _idle, _busy_line, min(limits, default=None)):
            raise JobsupError(f"Jobs are still running after {min(limits):g}s")
    except Nobody as nobody:
        print(f"{nobody} (so no job runs)", file=sys.stderr)


@command.command()
@click.pass_obj
def stop(remote: Remote) -> None:
    """Stop, as TERM does: jobs may finish within their time."""
    remote.ask("stop")


@command.command()
@click.option("--wait", is_flag=True, help="Return when the new generation has taken over; exit 1 if it could not.")
@click.pass_obj
def reload(remote: Remote, wait: bool) -> None:
    """Replace every process by one with the code and configuration that are on disk now."""
    remote.ask("reload")
    if wait:
        mine = remote.ask("status")["reload"]["asked_for"]
        _wait(remote, lambda status: _reloaded(status["reload"], mine), _reload_line, None)
        outcome = remote.ask("status")["reload"]
        if outcome["state"] == "failed":
            raise JobsupError(f"Reload refused: {outcome['reason']}")


def _sizes(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for one in given:
        name, _, size = one.rpartition("=")
        if not name or not size.isascii() or not size.isdigit():
            raise click.BadParameter(f"{one!r} is not POOL=N, as in heavy=4")
        sizes[name] = int(size)
    return sizes


@command.command()
@click.argument("sizes", metavar="POOL=N...", nargs=-1, required=True, callback=_sizes)
@click.option("--wait", is_flag=True, help="Return when the pools have that many workers.")
@click.pass_obj
def scale(remote: Remote, sizes: dict[str, int], wait: bool) -> None:
    """Have N workers in POOL, as in heavy=4; until a restart, or until its profile says another number."""
    remote.ask("scale", sizes=sizes)
    if wait:
        _wait(remote, lambda status: _sized(status, sizes), _busy_line, None)


@command.command()
@click.pass_obj
def dump(remote: Remote) -> None:
    """Have every worker log the stacks of its threads."""
    remote.ask("dump")


@command.command()
@click.argument("jid")
@click.pass_obj
def cancel(remote: Remote, jid: str) -> None:
    """End the running job JID: Cancelled is raised in it, and it does not run again."""
    remote.ask("cancel", jid=jid)


@command.command()
@click.argument("jid")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def why(remote: Remote, jid: str, as_json: bool) -> None:
    """Say what the running job JID does: its stack, its thread's state, and what it waits for."""
    found = remote.ask("why", jid=jid, ask=True)
    thread = found["pid"], found["native_thread"]
    before = process.activity(*thread)
    time.sleep(_LOOK)
    after = process.activity(*thread)
    found = remote.ask("why", jid=jid)
    stacks = found.pop("stacks")
    stack = stack_of(stacks, found["thread"])
    burnt = (after.cpu - before.cpu) / _LOOK if before and after else 0.0
    sentence = verdict(found, after, burnt, process.waits_in(*thread), stack)
    if found["async"]:
        stack = f"{awaited_in(stacks)}\n\nThe thread of its event loop:\n{stack}"
    del found["ok"]
    if as_json:
        state = after.state if after else None
        print(json.dumps({**found, "state": state, "cpu": burnt, "stack": stack, "verdict": sentence}))
        return
    print(printable(f"{found['class']} {found['jid']} has run for {found['seconds']:.1f}s in {found['child']}."))
    if found["limit_in"] is not None:
        print(f"Its process is ended in {max(0.0, found['limit_in']):.1f}s if it is not done by then.")
    print(sentence)
    print(stack or "(its process wrote no stack)")


def _wait(
    remote: Remote,
    done: Callable[[dict[str, Any]], bool],
    line: Callable[[dict[str, Any]], str],
    timeout: float | None,
) -> bool:
    """Ask until *done*; False when *timeout* seconds passed first.  Shows *line* on a terminal."""
    deadline = Deadline.after(timeout if timeout is not None else float("inf"))
    terminal = sys.stderr.isatty()
    try:
        while not done(status := remote.ask("status")):
            if deadline.passed():
                return False
            if terminal:
                print(f"\r\033[K{line(status)}", end="", file=sys.stderr, flush=True)
            time.sleep(min(_POLL, deadline.remaining()))
    finally:
        if terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
    return True


def _children(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [child for pool in status["pools"] for child in pool["children"]]


def _idle(status: dict[str, Any]) -> bool:
    # One that was asked may be about to take a last job: what counts is that it says it fetches no more.
    return not any(
        child["busy"] or child["in_hand"] or child["fetching"] or child["state"] in ("spawning", "booting")
        for child in _children(status)
    )


def _reloaded(reload: dict[str, Any], mine: int) -> bool:
    """Whether the reload to generation *mine* has ended; one that ran already comes first."""
    return bool(reload["generation"] >= mine and reload["state"] in ("done", "failed"))


def _sized(status: dict[str, Any], sizes: dict[str, int]) -> bool:
    staying = [
        (pool["name"], child["state"])
        for pool in status["pools"]
        for child in pool["children"]
        if child["state"] not in ("draining", "killed")
    ]
    return all(
        staying.count((name, "ready")) == size == sum(n == name for n, _ in staying) for name, size in sizes.items()
    )


def _busy_line(status: dict[str, Any]) -> str:
    return f"{sum(child['busy'] for child in _children(status))} jobs are running"


def _reload_line(status: dict[str, Any]) -> str:
    generation = status["reload"]["generation"]
    new = sum(c["generation"] == generation and c["state"] == "ready" for c in _children(status))
    wanted = sum(pool["size"] for pool in status["pools"])
    trial = ", ".join(status["reload"]["on_trial"])
    proving = f", the first of {trial} has to prove itself" if trial else ""
    return f"generation {generation}: {status['reload']['state']}, {new} of {wanted} workers are ready{proving}"


_HEAD = ("name", "pid", "state", "gen", "busy", "rss", "age")


def rows(status: dict[str, Any]) -> list[tuple[str, ...]]:
    """One row per process: the parent, its helpers, then the workers by pool."""
    found: list[tuple[str, ...]] = [
        ("parent", str(status["pid"]), status["state"], "", "", _megabytes(status["rss"]), "")
    ]
    for helper in status["helpers"]:
        age = _seconds(helper["age"])
        name = helper["name"].lower()
        found.append((name, str(helper["pid"]), helper["state"], "", "", _megabytes(helper["rss"]), age))
    for pool in status["pools"]:
        if pool["failed"]:
            found.append((pool["name"], "", "FAILED", str(pool["generation"]), "", "", ""))
        found += [
            (
                pool["name"],
                str(child["pid"] or ""),
                child["state"],
                str(child["generation"]),
                str(child["busy"]),
                _megabytes(child["rss"]),
                _seconds(child["age"]),
            )
            for child in pool["children"]
        ]
    return found


def lines(status: dict[str, Any]) -> list[str]:
    """The plain form: aligned columns, for pipes and logs."""
    table = [_HEAD, *rows(status)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    rendered = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    return [line.rstrip() for line in rendered] + notes(status) + [death(d) for d in status["deaths"][-_DEATHS:]]


def notes(status: dict[str, Any]) -> list[str]:
    """Who is being replaced, and what was said of the last stop or reload, before and after."""
    worn = [
        f"Worker {child['pool']} (pid {child['pid']}) is being replaced: {child['worn']}"
        for child in _children(status)
        if child["worn"]
    ]
    worn += [
        f"Pool {pool['name']} is held to {pool['size']} workers until there is memory again"
        for pool in status["pools"]
        if pool["held"]
    ]
    return worn + [printable(said["sentence"]) for said in status["drain"].values() if said]


def death(found: dict[str, Any]) -> str:
    """One line of a worker that ended unasked or had to be killed."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found["at"]))
    return printable(f"{when} {found['child']} (pid {found['pid']}): {found['verdict']}")


def _show(status: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"jobsup {status['version']}, generation {status['generation']}, {status['state']}"
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for name in _HEAD:
        table.add_column(name, justify="left" if name in ("name", "state") else "right")
    for row in rows(status):
        table.add_row(*row, style="red" if row[2] == "FAILED" else None)
    console = Console()
    console.print(table)
    for note in notes(status):
        console.print(note, markup=False, highlight=False)
    for found in status["deaths"][-_DEATHS:]:
        console.print(death(found), style="red", markup=False, highlight=False)


def _megabytes(size: int) -> str:
    return f"{size / 1_048_576:.0f} MB"


def _seconds(age: float) -> str:
    return f"{age:.0f}s"
