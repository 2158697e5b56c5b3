"""``jobsup check``: the resolved configuration, where each value comes from, and everything wrong with it."""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from jobsup.cli.options import flags, run_options
from jobsup.config.load import Setting
from jobsup.config.model import masked
from jobsup.config.problem import Problem
from jobsup.config.resolve import Resolution, resolve
from jobsup.exits import Exit
from jobsup.unix.paths import working_directory

_EPILOG = """\b
Examples:
  jobsup check -C config/sidekiq.yml -C config/heavy.yml
  jobsup check -C config/sidekiq.yml -e production --json
  JOBSUP_GRACE=30 jobsup check -C config/sidekiq.yml    does a stop fit into the platform's 30 seconds?
"""

Row = tuple[str, Any, str]


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool, **params: Any) -> None:
    """Print the resolved configuration, the origin of each value, and every error and warning.

    Exits with 78 when there is an error.
    """
    resolution = resolve(flags(params), os.environ, working_directory(os.environ))
    if as_json:
        print(json.dumps(_document(resolution), indent=2))
    elif sys.stdout.isatty():
        _print_tables(resolution)
    else:
        _print_lines(resolution)
    sys.exit(Exit.CONFIG if resolution.config is None else Exit.OK)


def _sections(resolution: Resolution) -> Iterator[tuple[str, list[Row]]]:
    """A title and the rows below it; every value fit to be shown."""
    yield "jobsup", _rows(resolution.supervisor)
    for profile in resolution.profiles:
        name = profile.settings.get("name", Setting("?", "")).value
        title = f"profile {name}" + (f" ({profile.path})" if profile.path else "")
        yield title, _rows({k: v for k, v in profile.settings.items() if k != "name"})


def _rows(settings: dict[str, Setting]) -> list[Row]:
    return [(key, _shown(key, setting.value), setting.origin) for key, setting in sorted(settings.items())]


def _shown(key: str, value: Any) -> Any:
    match key:
        case "redis":
            return masked(value)
        case "env":
            return dict.fromkeys(value, "***")  # where people put secrets
        case "queues":
            return _queues(value)
        case "capsules":
            return {
                name: {k: _queues(v) if k == "queues" else v for k, v in given.items()} for name, given in value.items()
            }
        case _:
            return list(value) if isinstance(value, tuple) else value


def _queues(queues: tuple[tuple[str, int], ...]) -> list[str]:
    return [f"{name},{weight}" if weight else name for name, weight in queues]


def _document(resolution: Resolution) -> dict[str, Any]:
    def settings(rows: list[Row]) -> dict[str, Any]:
        return {key: {"value": value, "origin": origin} for key, value, origin in rows}

    return {
        "ok": resolution.config is not None,
        "supervisor": settings(_rows(resolution.supervisor)),
        "profiles": [{"path": p.path, "settings": settings(_rows(p.settings))} for p in resolution.profiles],
        "problems": [{"level": p.level, "where": p.where, "message": p.message} for p in resolution.problems],
    }


def _plain(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.12g}"
        case list():
            return " ".join(map(str, value)) or "-"
        case dict():
            return " ".join(f"{name}={_plain(inner)}" for name, inner in value.items()) or "-"
        case _:
            return str(value)


def _summary(problems: tuple[Problem, ...]) -> str:
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"


def _print_lines(resolution: Resolution) -> None:
    for title, rows in _sections(resolution):
        print(title)
        for key, value, origin in rows:
            print(f"  {key:<32} {_plain(value):<32} {origin}")
    for problem in resolution.problems:
        print(f"{problem.level}: {problem}")
    print(_summary(resolution.problems))


def _print_tables(resolution: Resolution) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for title, rows in _sections(resolution):
        table = Table(title=Text(title), title_justify="left")
        for column in ("key", "value", "from"):
            table.add_column(column, overflow="fold")  # never cut: a path is there to be copied
        for key, value, origin in rows:
            # Text: a value with brackets is no markup
            table.add_row(key, Text(_plain(value)), Text(origin, "dim"))
        console.print(table)
    for problem in resolution.problems:
        style = "bold red" if problem.level == "error" else "yellow"
        console.print(Text.assemble((problem.level, style), f": {problem}"), soft_wrap=True)
    console.print(_summary(resolution.problems))
