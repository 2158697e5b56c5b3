"""``jobsup fleet``: which version of the application still runs where, and whether it can be removed."""

import json
import sys
import time

import click

from jobsup.api.deploys import Crew, Fleet
from jobsup.cli.connected import connected
from jobsup.clock import Deadline
from jobsup.config import redis_url
from jobsup.errors import JobsupError
from jobsup.log import printable
from jobsup.store.connection import Client

_POLL = 1.0
_HEAD = ("version", "host", "pool", "gen", "workers", "leaving", "jobs", "longest", "running")

_EPILOG = """\b
Examples:
  jobsup fleet
  jobsup fleet --wait-drained 2026.11.3 --timeout 3600 && rm -r releases/2026.11.3
"""


@click.command("fleet", epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.option("--wait-drained", metavar="VERSION", help="Return when no worker runs VERSION any more.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait at most so long; exit 1 then.")
@click.option("--redis", metavar="URL", help="Default: $REDIS_PROVIDER, $REDIS_URL, this host's.")
def command(as_json: bool, wait_drained: str | None, timeout: float | None, redis: str | None) -> None:
    """Print every generation on every host, what it runs, and which versions can be removed.

    A version is what the profiles' key `version` says, $JOBSUP_VERSION, or the name of the release's directory.
    A worker that died without a word counts for up to a minute.
    """
    if timeout is not None and wait_drained is None:
        raise click.UsageError("--timeout belongs to --wait-drained.")
    with connected(redis_url.resolve(redis)) as client:
        if wait_drained is not None:
            _wait(client, wait_drained, timeout)
        fleet = Fleet.read(client)
    if as_json:
        print(json.dumps(fleet.dump()))
    elif sys.stdout.isatty():
        _show(fleet)
    else:
        print("\n".join(lines(fleet)))


def _wait(client: Client, version: str, timeout: float | None) -> None:
    deadline = Deadline.after(float("inf") if timeout is None else timeout)
    fleet = Fleet.read(client)
    if version not in fleet.started and not fleet.of(version):
        known = ", ".join(fleet.started) or "none"
        raise click.UsageError(f"No worker was ever started with version {version!r}; known: {known}.")
    while still := fleet.of(version):
        if deadline.passed():
            raise JobsupError(f"After {timeout:g}s {in_use(version, still)}")
        if sys.stderr.isatty():
            print(f"\r\033[K{in_use(version, still)}", end="", file=sys.stderr, flush=True)
        time.sleep(min(_POLL, deadline.remaining()))
        fleet = Fleet.read(client)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def in_use(version: str, crews: list[Crew]) -> str:
    """One sentence about a version that cannot be removed yet."""
    workers, leaving = sum(crew.processes for crew in crews), sum(crew.leaving for crew in crews)
    hosts = sorted({crew.host for crew in crews})
    jobs, longest = sum(sum(crew.running.values()) for crew in crews), max(crew.longest for crew in crews)
    running = f"{jobs} jobs run, the longest for {longest:.0f}s" if jobs else "no job runs"
    where = ", ".join(hosts)
    name = version or "what has no version"
    return printable(f"{name} is in use: {workers} workers ({leaving} leaving) on {where}; {running}")


def sentences(fleet: Fleet) -> list[str]:
    """What can be said of each version, newest last."""
    alive = dict.fromkeys(crew.version for crew in fleet.crews)
    found = [printable(f"{version} can be removed: nothing runs it any more") for version in fleet.gone]
    return [*found, *(in_use(version, fleet.of(version)) for version in alive)]


def rows(fleet: Fleet) -> list[tuple[str, ...]]:
    """One for each crew."""
    return [
        (
            printable(crew.version or "-"),
            printable(crew.host),
            printable(crew.pool),
            str(crew.generation),
            str(crew.processes),
            str(crew.leaving),
            str(sum(crew.running.values())),
            f"{crew.longest:.0f}s" if crew.running else "-",
            printable(", ".join(f"{count} x {klass}" for klass, count in sorted(crew.running.items()))) or "-",
        )
        for crew in fleet.crews
    ]


def lines(fleet: Fleet) -> list[str]:
    """The plain form: aligned columns, for pipes and logs."""
    table = [_HEAD, *rows(fleet)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    rendered = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    return [line.rstrip() for line in rendered] + sentences(fleet)


def _show(fleet: Fleet) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*_HEAD, box=None, header_style="bold")
    for row in rows(fleet):
        table.add_row(*map(Text, row))  # Text: a name is no markup
    console = Console()
    console.print(table)
    for sentence in sentences(fleet):
        console.print(sentence, markup=False, highlight=False)
