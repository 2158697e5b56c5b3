"""An environment of its own for every product, made when it is first needed and kept."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).parents[1] / "peers"
OURS = ("jobsup", "bare")
"""They need no environment but the one that the benchmark runs in."""
NAMES = (
    *("bare", "jobsup", "celery", "rq", "dramatiq", "arq", "huey", "taskiq"),
    *("saq", "streaq", "ardiq", "blitzq", "wakaq", "sidekiq"),
)
METADATA = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
"""From the specification "Inline script metadata" of packaging.python.org."""


class Unavailable(Exception):
    """A product cannot be run on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What the first lines of a peer's module ask for."""

    python: tuple[int, int]
    packages: tuple[str, ...]


def needs(source: str) -> Needs:
    """Read inline script metadata.

    Raises:
        ValueError: there is none, or ``requires-python`` is no plain lower bound.
    """
    found = METADATA.search(source)
    if not found:
        raise ValueError("it has no inline script metadata")
    lines = found["content"].splitlines()
    table = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines))
    bound = re.fullmatch(r">=(\d+)\.(\d+)", table["requires-python"])
    if not bound:
        raise ValueError(f"requires-python is {table['requires-python']!r}, not a plain lower bound")
    return Needs((int(bound[1]), int(bound[2])), tuple(table["dependencies"]))


def agent(name: str, cache: Path, pythons: Sequence[str]) -> list[str]:
    """The command that starts the agent of *name*, whose environment is made in *cache* if it is not there.

    Raises:
        Unavailable: no interpreter is new enough, packages cannot be installed, Debian's Sidekiq is missing.
    """
    if name == "sidekiq":
        if not shutil.which("sidekiq") or not shutil.which("ruby"):
            raise Unavailable("Debian's package ruby-sidekiq is not installed")
        return ["ruby", str(PEERS / "sidekiq.rb"), "agent"]
    python = sys.executable if name in OURS else _python_of(name, cache, pythons)
    return [python, "-m", "benchmarks.peers.agent", name]


def _python_of(name: str, cache: Path, pythons: Sequence[str]) -> str:
    wanted = needs((PEERS / f"{name}.py").read_text())
    digest = hashlib.sha256(repr(wanted).encode()).hexdigest()[:8]
    home = cache / f"{name}-{digest}"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        print(f"{name}: installing {', '.join(wanted.packages)}", file=sys.stderr, flush=True)
        _run([_interpreter(wanted.python, pythons), "-m", "venv", str(home)])
        _run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted.packages])
        (home / "complete").touch()
    return str(python)


def _interpreter(least: tuple[int, int], pythons: Sequence[str]) -> str:
    names = [f"python{least[0]}.{minor}" for minor in range(least[1], least[1] + 4)]
    for candidate in (sys.executable, *pythons, *names):
        if (_version(candidate) or (0, 0)) >= least:
            return candidate
    raise Unavailable(f"it needs Python {least[0]}.{least[1]}; say --python PATH where there is one")


def _version(python: str) -> tuple[int, int] | None:
    program = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = done.stdout.split()
    return int(major), int(minor)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}")
