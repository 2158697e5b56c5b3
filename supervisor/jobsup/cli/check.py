"""``jobsup check``: the resolved configuration, where each value comes from, and everything wrong with it."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

import click

from jobsup.cli import live
from jobsup.cli.connected import connected
from jobsup.cli.live import Class
from jobsup.cli.options import flags, run_options
from jobsup.config.document import MAX_BYTES
from jobsup.config.load import Setting
from jobsup.config.model import Config, masked
from jobsup.config.platform import compose, kubernetes, systemd
from jobsup.config.platform.needs import Given
from jobsup.config.problem import Problem, error
from jobsup.config.resolve import Resolution, resolve
from jobsup.exits import Exit
from jobsup.log import printable
from jobsup.store import durations
from jobsup.unix.memory import shown as size
from jobsup.unix.paths import working_directory

_EPILOG = """\b
Examples:
  jobsup check -C config/sidekiq.yml -C config/heavy.yml
  jobsup check -C config/sidekiq.yml -e production --json
  JOBSUP_GRACE=30 jobsup check -C config/sidekiq.yml    does a stop fit into the platform's 30 seconds?
  jobsup check -C config/sidekiq.yml --live    which jobs will a deploy interrupt, and how often?
  jobsup check -C config/sidekiq.yml --kubernetes k8s/jobs.yaml    does the manifest go with the profile?
"""

Row = tuple[str, Any, str]


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--systemd", multiple=True, metavar="UNIT", help="Compare this unit with the profiles it starts.")
@click.option("--kubernetes", multiple=True, metavar="FILE", help="Compare this manifest with them.")
@click.option("--compose", multiple=True, metavar="FILE", help="Compare this Compose file with them.")
@click.option("--live", is_flag=True, help="Compare the budgets with the durations that were measured in Redis.")
def command(as_json: bool, **params: Any) -> None:
    """Print the resolved configuration, the origin of each value, and every error and warning.

    Exits with 78 when there is an error, with 1 when there is none but in a file of the platform, or one that --live
    finds: a class of which more than 5% of the running jobs are interrupted by every kind of deploy.
    """
    is_live = params.pop("live")
    files = [(kind, path) for kind in ("systemd", "kubernetes", "compose") for path in params.pop(kind)]
    # What the platform grants is then read from its files: budgets are not to be cut by what is set here.
    environ = {name: value for name, value in os.environ.items() if not files or name != "JOBSUP_GRACE"}
    directory = working_directory(os.environ)
    resolution = resolve(flags(params), environ, directory)
    if resolution.config is not None:
        found = platforms(files, resolution, resolution.config, directory)
        resolution = replace(resolution, problems=(*resolution.problems, *found))
    measured: list[Class] | None = None
    if is_live and resolution.config is not None:
        measured = _measured(resolution.config)
        interrupted = live.problems(measured, resolution.profiles)
        resolution = replace(resolution, problems=(*resolution.problems, *interrupted))
    if as_json:
        print(json.dumps(_document(resolution, measured), indent=2))
    elif sys.stdout.isatty():
        _print_tables(resolution, measured)
    else:
        _print_lines(resolution, measured)
    if resolution.config is None:
        sys.exit(Exit.CONFIG)
    sys.exit(Exit.ERROR if any(problem.level == "error" for problem in resolution.problems) else Exit.OK)


def _measured(config: Config) -> list[Class]:
    now = time.time()
    with connected(config.redis_url) as client:
        return live.compare(durations.read(client, now), config.profiles, now)


def platforms(
    files: Iterable[tuple[str, str]], resolution: Resolution, config: Config, directory: str
) -> Iterator[Problem]:
    """Everything in the platform's *files*, each of a kind at a path, that does not go with the configuration."""
    auto = {p["name"] for p in resolution.profiles if p.settings["processes"].origin.endswith("(auto)")}
    given = Given(config.profiles, frozenset(auto), config.health)
    rules = {"systemd": systemd.check, "kubernetes": kubernetes.check, "compose": compose.check}
    for kind, path in files:
        try:
            with open(os.path.join(directory, path), encoding="utf-8") as file:
                text = file.read(MAX_BYTES)
        except (OSError, ValueError) as problem:
            yield error(path, f"cannot be read: {getattr(problem, 'strerror', None) or 'it is not text'}")
            continue
        yield from rules[kind](text, path, given)


def _sections(resolution: Resolution, measured: list[Class] | None) -> Iterator[tuple[str, list[Row]]]:
    """A title and the rows below it; every value fit to be shown."""
    yield "jobsup", _rows(resolution.supervisor)
    for profile in resolution.profiles:
        name = profile.settings.get("name", Setting("?", "")).value
        title = f"profile {name}" + (f" ({profile.path})" if profile.path else "")
        yield title, _rows({k: v for k, v in profile.settings.items() if k != "name"})
    if measured:
        yield "measured", [(printable(name), taken, runs) for name, taken, runs in live.rows(measured)]


def _rows(settings: dict[str, Setting]) -> list[Row]:
    return [(key, _shown(key, setting.value), setting.origin) for key, setting in sorted(settings.items())]


def _shown(key: str, value: Any) -> Any:
    match key:
        case "redis":
            return masked(value)
        case "env":
            return dict.fromkeys(value, "***")  # where people put secrets
        case "max_memory" | "kill_memory":
            return size(value)
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


def _document(resolution: Resolution, measured: list[Class] | None) -> dict[str, Any]:
    def settings(rows: list[Row]) -> dict[str, Any]:
        return {key: {"value": value, "origin": origin} for key, value, origin in rows}

    return {
        "ok": not any(problem.level == "error" for problem in resolution.problems),
        "supervisor": settings(_rows(resolution.supervisor)),
        "profiles": [{"path": p.path, "settings": settings(_rows(p.settings))} for p in resolution.profiles],
        "problems": [{"level": p.level, "where": p.where, "message": p.message} for p in resolution.problems],
        **({} if measured is None else {"live": [asdict(one) for one in measured]}),
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


def _print_lines(resolution: Resolution, measured: list[Class] | None = None) -> None:
    for title, rows in _sections(resolution, measured):
        print(title)
        for key, value, origin in rows:
            print(f"  {key:<32} {_plain(value):<32} {origin}")
    for problem in resolution.problems:
        print(f"{problem.level}: {problem}")
    print(_summary(resolution.problems))


def _print_tables(resolution: Resolution, measured: list[Class] | None = None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for title, rows in _sections(resolution, measured):
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
