"""The ``jobsup`` command.  Without a subcommand it runs; a subcommand is imported when it is called."""

import os
import sys
from importlib import import_module
from typing import Any

import click

import jobsup
from jobsup.cli.options import flags, run_options
from jobsup.errors import JobsupError, RedisRefused, RedisUnavailable
from jobsup.exits import Exit

_COMMANDS = {
    "check": ("jobsup.cli.check", "Print the resolved configuration and everything wrong with it."),
    "ctl": ("jobsup.cli.ctl", "Ask or steer a running jobsup."),
    "deploy-mark": ("jobsup.cli.deploy_mark", "Mark a deploy on the graphs of Sidekiq's Web."),
    "demo": ("jobsup.cli.demo", "Run a real workload through a crash and a deploy, and prove the result."),
    "enqueue": ("jobsup.cli.enqueue", "Enqueue one job."),
    "fleet": ("jobsup.cli.fleet", "Print which version still runs where, and what can be removed."),
    "stats": ("jobsup.cli.stats", "Print counters, sets and queues."),
    "units": ("jobsup.cli.units", "Print a systemd unit with the timeouts that profiles need."),
}

_EPILOG = """\b
Examples:
  jobsup -C config/sidekiq.yml -C config/heavy.yml   one pool per file
  jobsup -r app.jobs -q critical,2 -q default -c 10  without a file
  jobsup -C config/sidekiq.yml -P auto               a process per CPU
  jobsup -r app.jobs --embedded                      with a Valkey of its own
  jobsup check -C config/sidekiq.yml -e production   what would run, and why
"""


class _Commands(click.Group):
    """Subcommands from the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_module, summary) in _COMMANDS.items()])


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@run_options
@click.version_option(jobsup.__version__, "-V", "--version", message="jobsup %(version)s")
@click.pass_context
def cli(context: click.Context, /, **params: Any) -> None:
    """Run background jobs: one pool of worker processes per -C file."""
    if context.invoked_subcommand is None:
        from jobsup.cli.run import run

        run(flags(params), sys.argv[1:])
    given = [p for p in params if context.get_parameter_source(p) is click.core.ParameterSource.COMMANDLINE]
    if given:
        flag = "--" + given[0].replace("_", "-")
        raise click.UsageError(f"{flag} belongs after {context.invoked_subcommand!r}, or without it.")


def main() -> None:
    """The console script.  Every way to fail ends in one sentence on standard error and an exit code."""
    _complete_standard_streams()
    try:
        code = cli.main(prog_name="jobsup", standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "jobsup"
        fail(f"{error.format_message()}  Try '{command} --help'.", Exit.USAGE)
    except click.ClickException as error:
        fail(error.format_message(), Exit.ERROR)
    except click.Abort:
        sys.exit(130)  # Ctrl-C, as a shell counts it
    except RedisUnavailable as error:
        fail(str(error), Exit.UNAVAILABLE)
    except RedisRefused as error:
        fail(str(error), Exit.NO_PERMISSION if error.permanent else Exit.ERROR)
    except JobsupError as error:
        fail(str(error), Exit.ERROR)
    sys.exit(code if isinstance(code, int) else Exit.OK)


def _complete_standard_streams() -> None:
    """Give a process that was started without one of them something to write to.

    Else the next file or socket that anybody opens would get its number, and be written to as the log.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is fd
            os.set_inheritable(fd, True)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115  for the life of the process
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def fail(sentence: str, code: Exit) -> None:
    """Say *sentence* and exit."""
    print(f"jobsup: {sentence}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
