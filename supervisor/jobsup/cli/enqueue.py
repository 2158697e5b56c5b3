"""``jobsup enqueue``: one job, from a shell."""

import json
import re
import time
from datetime import datetime
from typing import Any

import click

from jobsup.client import Client
from jobsup.errors import ArgumentError
from jobsup.jobs.enqueuer import moment

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.command("enqueue")
@click.argument("name", metavar="CLASS")
@click.argument("args", nargs=-1)
@click.option("--queue", default="default", show_default=True, metavar="Q", help="Where it is pushed.")
@click.option("--in", "delay", metavar="TIME", help="Run it later: seconds, or a number with s, m, h or d.")
@click.option("--at", "when", metavar="TIME", help="Run it then: ISO 8601 with a time zone, or Unix seconds.")
@click.option("--redis", metavar="URL", help="Default: $REDIS_PROVIDER, $REDIS_URL, this host's.")
def command(
    name: str, args: tuple[str, ...], queue: str, delay: str | None, when: str | None, redis: str | None
) -> None:
    """Enqueue one job and print its jid.

    Each ARG is read as JSON if it is JSON, else taken as a string: 42, true, null, '[1, 2]' and '{"a": 1}' are
    what they look like, hello is "hello", and '"42"' is the string 42.  Write -- before an ARG that begins with
    a dash.  The class is not looked up here: any worker of that queue, Ruby's too, may know it.
    """
    if delay is not None and when is not None:
        raise click.UsageError("Give either --in or --at.")
    at = None
    if delay is not None:
        at = time.time() + seconds(delay)
    elif when is not None:
        at = moment(point(when), time.time())
    item = {"queue": queue, "class": name, "args": [argument(text) for text in args], "at": at}
    client = Client(redis)
    try:
        jid = client.push(item)
    except ArgumentError as error:
        raise click.UsageError(f"{error}.") from error
    if jid is not None:
        print(jid)


def argument(text: str) -> Any:
    """*text* as JSON if it is JSON, else as it is."""
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return text


def _not_json(name: str) -> None:
    raise ValueError(name)


def seconds(text: str) -> float:
    """A duration such as ``90``, ``1.5h`` or ``5m``.

    Raises:
        click.UsageError: it is none.
    """
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd]?)", text.strip())
    if match is None:
        raise click.UsageError(f"--in takes seconds or a number with s, m, h or d, such as 5m, not {text!r}.")
    return float(match[1]) * _UNITS[match[2]]


def point(text: str) -> datetime | float:
    """A point in time: Unix seconds or ISO 8601 with a time zone.

    Raises:
        click.UsageError: it is neither.
    """
    if re.fullmatch(r"\d{10}(?:\.\d+)?", text):
        return float(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise click.UsageError(
            f"--at takes Unix seconds or ISO 8601 with a time zone, such as 2030-01-31T09:00:00Z, not {text!r}."
        )
    return found
