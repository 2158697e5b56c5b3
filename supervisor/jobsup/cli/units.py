"""``jobsup units``: what a service manager needs, with the numbers that these profiles need."""

import math
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from jobsup.config import shipped
from jobsup.config.flags import Flags
from jobsup.config.model import Config
from jobsup.config.resolve import resolve
from jobsup.exits import Exit
from jobsup.parent import budget
from jobsup.unix.paths import working_directory

_HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # noqa: S108  nothing is written there
_EPILOG = """\b
Examples:
  jobsup units systemd -C config/sidekiq.yml -C config/heavy.yml > /etc/systemd/system/jobsup.service
  jobsup units systemd -C config/heavy.yml -e production
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Print the units of a service manager."""


@command.command(epilog=_EPILOG)
@click.option("-C", "--config", multiple=True, required=True, metavar="FILE", help="A profile; repeat for more pools.")
@click.option("-e", "--environment", metavar="NAME", help="Section of the files to use.")
def systemd(config: tuple[str, ...], environment: str | None) -> None:
    """Print the unit of a supervisor of these profiles: its paths from here, its timeouts from their budgets.

    Exits with 78 when a profile is wrong.  docs/systemd.md explains every line.
    """
    directory = working_directory(os.environ)
    # The unit grants what the profiles ask for: what some other platform grants here must not cut it.
    environ = {name: value for name, value in os.environ.items() if name != "JOBSUP_GRACE"}
    resolution = resolve(Flags(config=config, environment=environment), environ, directory)
    for problem in resolution.problems:
        print(f"jobsup: {problem.level}: {problem}", file=sys.stderr)
    if resolution.config is None:
        sys.exit(Exit.CONFIG)
    program = _program()
    run = [*program]
    for path in config:
        run += ["-C", os.path.join(directory, path)]
    if environment:
        run += ["-e", environment]
    for path in {directory, program[0]}:
        if path.startswith(_HIDDEN):
            print(f"jobsup: warning: the unit hides {path} from its service; move it to /opt or /srv", file=sys.stderr)
    settings = {
        "WorkingDirectory": directory.replace("%", "%%"),
        "ExecStart": command_line(run),
        "ExecReload": command_line([*program, "ctl", "reload", "--wait"]),
        **timeouts(resolution.config),
    }
    print(filled(shipped.path("jobsup.service", "systemd").read_text(), settings), end="")


def timeouts(config: Config) -> dict[str, str]:
    """Within which a supervisor of *config* starts and stops, by the unit's keys."""
    return {
        "TimeoutStartSec": str(math.ceil(budget.start(config))),
        "TimeoutStopSec": str(math.ceil(budget.stop(config.profiles))),
    }


def filled(unit: str, settings: Mapping[str, str]) -> str:
    """*unit* with other values for these of its keys.

    Raises:
        KeyError: it has no such key.
    """
    lines = unit.splitlines()
    where = {line.partition("=")[0]: number for number, line in enumerate(lines)}
    for key, value in settings.items():
        lines[where[key]] = f"{key}={value}"
    return "\n".join(lines) + "\n"


def command_line(words: Iterable[str]) -> str:
    """*words* as systemd reads them back: it knows quotes, backslashes, variables and specifiers."""
    return " ".join(_quoted(word.replace("%", "%%").replace("$", "$$")) for word in words)


def _quoted(word: str) -> str:
    if word and not set(word) & set(" \t\"'\\;"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _program() -> list[str]:
    """The command of this installation."""
    script = Path(sys.executable).with_name("jobsup")
    return [str(script)] if script.exists() else [sys.executable, "-m", "jobsup"]
