"""``jobsup deploy-mark``: a line on the graphs of Sidekiq's Web, from a deploy script."""

import os

import click

from jobsup.api.deploys import mark_deploy
from jobsup.cli.connected import connected
from jobsup.config import redis_url
from jobsup.config.load import application_version
from jobsup.errors import ArgumentError
from jobsup.log import printable
from jobsup.unix.paths import working_directory


@click.command("deploy-mark")
@click.argument("label", required=False)
@click.option("--redis", metavar="URL", help="Default: $REDIS_PROVIDER, $REDIS_URL, this host's.")
def command(label: str | None, redis: str | None) -> None:
    """Mark a deploy, now, on the graphs of Sidekiq's Web.

    LABEL is a version, or a commit and its subject; without it, $JOBSUP_VERSION or the name of the release's directory.
    Run it on every host if that is easier: within a minute a label is marked once.
    """
    label = label or str(application_version(os.environ, working_directory(os.environ)).value)
    with connected(redis_url.resolve(redis)) as client:
        try:
            marked = mark_deploy(client, label)
        except ArgumentError as error:
            raise click.UsageError(f"{error}, and $JOBSUP_VERSION is not set.") from error
    print(printable(f"Marked the deploy of {label}" if marked else f"{label} was marked already"))
