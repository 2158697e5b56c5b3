"""The options that ``jobsup``, ``jobsup check`` and a reload share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jobsup.config.flags import Flags

C = TypeVar("C", bound=Callable[..., Any] | click.Command)


def _processes(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[str | None, int | str], ...]:
    parsed: list[tuple[str | None, int | str]] = []
    for text in given:
        name, equals, count = text.rpartition("=")
        try:
            parsed.append((name if equals else None, count if count == "auto" else int(count)))
        except ValueError:
            raise click.BadParameter(f"{text!r} is not a count; write N, auto, name=N or name=auto.") from None
    return tuple(parsed)


_OPTIONS = [
    click.option("-C", "--config", multiple=True, metavar="FILE", help="A profile; repeat for more pools."),
    click.option("-c", "--concurrency", type=int, metavar="N", help="Threads per worker process."),
    click.option("-q", "--queue", multiple=True, metavar="NAME[,WT]", help="Instead of the file's queues."),
    click.option("-r", "--require", multiple=True, metavar="MODULE|PATH", help="What declares the jobs."),
    click.option("-t", "--timeout", type=float, metavar="SECONDS", help="Time to finish once a stop began."),
    click.option("-e", "--environment", metavar="NAME", help="Section of the files to use."),
    click.option("-g", "--tag", metavar="TAG", help="Shown in the Web UI."),
    click.option("-v", "--verbose", is_flag=True, help="Log more."),
    click.option("-P", "--processes", multiple=True, callback=_processes, metavar="[NAME=]N|auto",
                 help="Worker processes, of every profile or of one."),
    click.option("--redis", metavar="URL", help="redis://, rediss:// or unix://."),
    click.option("--embedded", is_flag=False, flag_value="", metavar="[DIR]",
                 help="Run a Valkey of our own; DIR keeps its data."),
    click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="Log lines."),
    click.option("--ctl", metavar="SOCKET", help="Control socket."),
    click.option("--health", metavar="ADDRESS:PORT", help="Answer /startup, /live and /ready there."),
]  # fmt: skip


def run_options(command: C) -> C:
    """Decorate *command* with every option of a run."""
    for option in reversed(_OPTIONS):
        option(command)
    return command


def flags(params: dict[str, Any]) -> Flags:
    """What click parsed, as the configuration takes it."""
    return Flags(**{name: params[name] for name in Flags.__slots__})
