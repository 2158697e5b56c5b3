"""``jobsup stats``: the numbers of the whole system, once."""

import json
import sys

import click

from jobsup.api.stats import Stats
from jobsup.cli.connected import connected
from jobsup.config import redis_url
from jobsup.log import printable


@click.command("stats")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.option("--redis", metavar="URL", help="Default: $REDIS_PROVIDER, $REDIS_URL, this host's.")
def command(as_json: bool, redis: str | None) -> None:
    """Print counters, sets and queues."""
    with connected(redis_url.resolve(redis)) as client:
        stats = Stats.read(client)
    if as_json:
        print(json.dumps(stats.dump()))
    elif sys.stdout.isatty():
        show(stats)
    else:
        print("\n".join(lines(stats)))


def numbers(stats: Stats) -> list[tuple[str, int]]:
    """What is one number, in the order of Sidekiq's dashboard."""
    return [(name.replace("_size", ""), value) for name, value in stats.dump().items() if name != "queues"]


def queue_rows(stats: Stats) -> list[tuple[str, str, str]]:
    """Name, size and latency of every queue.  A name may hold bytes that no terminal takes: escaped."""
    return [
        (
            printable(queue.name.encode("utf-8", "backslashreplace").decode()),
            f"{queue.size:,}",
            f"{queue.latency:,.1f}s",
        )
        for queue in stats.queues
    ]


def lines(stats: Stats) -> list[str]:
    """The plain form: aligned columns, for pipes and logs."""
    found = [f"{name:<10} {value:>12,}" for name, value in numbers(stats)]
    rows = [("queue", "size", "latency"), *queue_rows(stats)]
    width = max(len(name) for name, _, _ in rows)
    return [*found, "", *(f"{name:<{width}} {size:>10} {latency:>12}" for name, size, latency in rows)]


def show(stats: Stats) -> None:
    """The same on a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    summary = Table(show_header=False, box=None)
    summary.add_column(style="bold")
    summary.add_column(justify="right")
    for name, value in numbers(stats):
        summary.add_row(name, f"{value:,}")
    queues = Table("queue", box=None, header_style="bold")
    queues.add_column("size", justify="right")
    queues.add_column("latency", justify="right")
    for name, size, latency in queue_rows(stats):
        queues.add_row(Text(name), size, latency)  # Text: a queue's name is no markup
    Console().print(summary, "", queues)
