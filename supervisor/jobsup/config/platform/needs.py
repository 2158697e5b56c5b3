"""What a set of profiles needs from whatever starts and stops it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from jobsup.config.grace import SPARE
from jobsup.config.model import Profile

_SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"))
_EXECS = re.compile(r"(^|[;&|\n])\s*exec\s+(\S*/)?(jobsup\b|\S*python\S*\s.*\bjobsup\b)")


@dataclass(frozen=True, slots=True)
class Needs:
    """Of one supervisor.

    Attributes:
        stop: seconds between TERM and KILL.
        slowest: the name of the profile that needs them.
        drain: seconds a job may go on once a stop has begun.
        auto: profiles whose number of processes follows the CPUs.
        health: the address of the probes in the files, "" for none.
    """

    stop: float
    slowest: str
    drain: float
    auto: tuple[str, ...] = ()
    health: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """What ``check`` was given with ``-C``: profiles, those counted automatically, and the health address."""

    profiles: Sequence[Profile]
    auto: frozenset[str] = frozenset()
    health: str = ""

    def needs(self, words: Sequence[str]) -> Needs:
        """Of the command *words*.

        Its profiles are those with the same file name: a container has the file elsewhere.  Without any in common, all.
        """
        named = {os.path.basename(path) for path in options(words, "-C", "--config")}
        profiles = [p for p in self.profiles if p.path and os.path.basename(p.path) in named] or self.profiles
        slowest = max(profiles, key=lambda profile: profile.max_timeout + profile.kill_after)
        return Needs(
            stop=slowest.max_timeout + slowest.kill_after + SPARE,
            slowest=slowest.name,
            drain=max(profile.max_timeout for profile in profiles),
            auto=tuple(p.name for p in profiles if p.name in self.auto and not options(words, "-P", "--processes")),
            health=next(iter(options(words, "--health")), self.health),
        )


def options(words: Sequence[str], *names: str) -> list[str]:
    """The values of an option of a command."""
    found = [value for word, value in pairwise(words) if word in names]
    found += [word.partition("=")[2] for word in words if word.partition("=")[0] in names and "=" in word]
    short = [name for name in names if len(name) == 2]
    return found + [word[2:] for word in words for name in short if word.startswith(name) and len(word) > 2]


def runs(words: Sequence[str]) -> bool:
    """Whether *words* are a supervisor: ``jobsup`` without a subcommand, also within a shell's script."""
    if shell(words):
        return any(runs(part.split()) for part in re.split(r"[;&|\n]+|\bexec\b", words[-1]))
    for at, word in enumerate(words):
        module = word == "-m" and words[at + 1 : at + 2] == ["jobsup"]
        if module or os.path.basename(word) == "jobsup":
            following = words[at + 1 + module :]
            return not following or following[0].startswith("-")
    return False


def shell(words: Sequence[str]) -> bool:
    """Whether a shell runs a script given as its last word."""
    return (
        len(words) > 2
        and os.path.basename(words[0]) in _SHELLS
        and any(word.startswith("-") and word.endswith("c") for word in words[1:-1])
    )


def swallows_term(words: Sequence[str]) -> bool:
    """Whether a shell stays in front of jobsup and keeps TERM for itself."""
    return shell(words) and not _EXECS.search(words[-1])


def slept(words: Sequence[str]) -> float:
    """Seconds that a hook sleeps, as far as it says so."""
    text = " ".join(words)
    units = {"": 1, "s": 1, "m": 60, "h": 3600}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"\bsleep\s+(\d+(?:\.\d+)?)([smh]?)\b", text))


def seconds(text: str, units: Mapping[str, float]) -> float | None:
    """``1min 30s`` as seconds; a number alone counts as *units*[""].  None: it is no time."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-zµ]*)", text)
    whole = "".join(number + unit for number, unit in parts)
    if not parts or whole != re.sub(r"\s", "", text) or any(unit not in units for _, unit in parts):
        return None
    return sum(float(number) * units[unit] for number, unit in parts)
