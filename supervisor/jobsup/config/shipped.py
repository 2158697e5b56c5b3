"""The files that come with jobsup: example profiles, a systemd unit."""

from pathlib import Path


def path(name: str, kind: str = "configs") -> Path:
    """``sidekiq.yml`` or ``heavy.yml``; with *kind* ``systemd``, ``jobsup.service``.

    It is inside the installed package, or in the repository it runs from.

    Raises:
        FileNotFoundError: there is no such file.
    """
    package = Path(__file__).parents[1]
    for directory in (package / kind, package.parents[1] / kind):
        if (directory / name).is_file():
            return directory / name
    raise FileNotFoundError(f"jobsup ships no file {kind}/{name}")
