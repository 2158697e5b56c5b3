"""What a reload asks for: ``python -P -m jobsup.cli.resolve FD`` prints one JSON object and exits.

From the descriptor it reads the command line of ``jobsup`` as a JSON list, which may hold a password.
``{"config": …}`` with exit code 0, or ``{"problems": ["…"]}`` with 78.  A process of its own, because it
reads files, which the parent must not.  Standard output may hold a password and must be a pipe.
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from jobsup.cli.main import cli
from jobsup.cli.options import flags
from jobsup.config.resolve import resolve
from jobsup.errors import JobsupError
from jobsup.exits import Exit
from jobsup.unix.paths import working_directory


def answer(argv: Sequence[str]) -> dict[str, Any]:
    """The object for one command line, as it was given to ``jobsup``."""
    try:
        with cli.make_context("jobsup", list(argv), resilient_parsing=False) as context:
            given = flags(context.params)
        resolution = resolve(given, os.environ, working_directory(os.environ))
    except click.ClickException as error:
        return {"problems": [error.format_message()]}
    except JobsupError as error:
        return {"problems": [str(error)]}
    if resolution.config is None:
        return {"problems": [str(p) for p in resolution.problems if p.level == "error"]}
    return {"config": resolution.config.dump()}


def main() -> None:
    with open(int(sys.argv[1]), encoding="utf-8") as file:
        result = answer(json.load(file))
    print(json.dumps(result))
    sys.exit(Exit.OK if "config" in result else Exit.CONFIG)


if __name__ == "__main__":
    main()
