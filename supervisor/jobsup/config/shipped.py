"""The example profiles that come with jobsup."""

from pathlib import Path


def path(name: str) -> Path:
    """``sidekiq.yml`` or ``heavy.yml``: inside the installed package, or in the repository it runs from.

    Raises:
        FileNotFoundError: there is no such file.
    """
    package = Path(__file__).parents[1]
    for directory in (package / "configs", package.parents[1] / "configs"):
        if (directory / name).is_file():
            return directory / name
    raise FileNotFoundError(f"jobsup ships no configuration file {name!r}")
