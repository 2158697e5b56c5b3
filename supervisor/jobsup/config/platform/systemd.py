"""What in a systemd unit does not go with the profiles it runs.  Pure.

Sources: systemd.service(5), systemd.kill(5), systemd.syntax(7), systemd.time(7).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from jobsup.clock import FOREVER
from jobsup.config.platform.needs import Given, Needs, runs, seconds, shell, swallows_term
from jobsup.config.problem import Problem, error, warning

_DEFAULT_STOP = 90.0
_UNITS = {
    **dict.fromkeys(("us", "usec", "µs"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}


@dataclass(frozen=True, slots=True)
class _Value:
    text: str
    line: int


def check(text: str, name: str, given: Given) -> Iterator[Problem]:
    """Everything wrong with the unit in *text*, the file called *name*; drop-ins may be joined to it."""
    settings = _service(text)
    starts = [value for value in settings.get("ExecStart", []) if value.text]
    running = [(value, _words(value.text)) for value in starts if runs(_words(value.text))]
    if not running:
        yield error(name, "no ExecStart= runs jobsup here; name the unit that has it")
        return
    start, words = running[-1]
    needs = given.needs(words[-1].split() if shell(words) else words)
    yield from _Unit(name, {key: values[-1] for key, values in settings.items()}, start, words, needs).problems()


def _service(text: str) -> dict[str, list[_Value]]:
    """The [Service] section: every value of each key, in their order.  An empty one resets what came before."""
    found: dict[str, list[_Value]] = {}
    section, pending, begun = "", "", 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith(("#", ";")):
            continue
        pending, begun = (pending, begun) if pending else ("", number)
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        whole, pending = (pending + line).strip(), ""
        if whole.startswith("[") and whole.endswith("]"):
            section = whole
        elif section == "[Service]" and "=" in whole:
            key, _, value = whole.partition("=")
            found.setdefault(key.strip(), []).append(_Value(value.strip(), begun))
            if not value.strip():
                found[key.strip()].clear()
    return {key: values for key, values in found.items() if values}


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command.lstrip("-@:+!"))
    except ValueError:
        return command.split()


@dataclass(frozen=True, slots=True)
class _Unit:
    name: str
    settings: dict[str, _Value]
    start: _Value
    words: list[str]
    needs: Needs

    def problems(self) -> Iterator[Problem]:
        for look in (self._stop, self._kill, self._shell, self._memory):
            yield from look()

    def _get(self, key: str, default: str = "") -> str:
        return self.settings[key].text if key in self.settings else default

    def _where(self, *keys: str) -> str:
        lines = [self.settings[key].line for key in keys if key in self.settings]
        return f"{self.name}:{lines[0] if lines else self.start.line}"

    def _stop(self) -> Iterator[Problem]:
        key = "TimeoutStopSec" if "TimeoutStopSec" in self.settings else "TimeoutSec"
        text = self._get(key)
        allowed: float | None = _DEFAULT_STOP
        if text:
            allowed = FOREVER if text in ("infinity", "0") else seconds(text, _UNITS)
        if allowed is None:
            yield error(self._where(key), f"{key}={text} is no time; write it like 1min 30s")
            return
        said = f"{allowed:g}s" + ("" if text else " (systemd's default)")
        if allowed < self.needs.stop:
            yield error(
                self._where(key),
                f"a stop of {self.needs.slowest!r} may take {self.needs.stop:g}s, but the unit is killed after {said}; "
                f"set TimeoutStopSec={self.needs.stop:g}, or lower max_timeout",
            )
        for word in _words(self._get("Environment")):
            variable, _, value = word.partition("=")
            grace = seconds(value, _UNITS)
            if variable == "JOBSUP_GRACE" and (grace is None or grace > allowed):
                yield error(self._where("Environment"), f"JOBSUP_GRACE is {value}, but the unit is killed after {said}")

    def _kill(self) -> Iterator[Problem]:
        mode = self._get("KillMode", "control-group")
        if mode != "mixed":
            yield error(
                self._where("KillMode"),
                f"KillMode={mode} does not let the parent drain its workers and end who is left; set KillMode=mixed",
            )
        signal = self._get("KillSignal", "SIGTERM")
        if signal not in ("SIGTERM", "TERM", "15"):
            yield error(self._where("KillSignal"), f"KillSignal={signal} does not drain; leave it out")
        policy = self._get("OOMPolicy", "stop")
        if policy != "continue":
            yield error(
                self._where("OOMPolicy"),
                f"OOMPolicy={policy} stops every worker when the kernel kills one for its memory; "
                "set OOMPolicy=continue",
            )

    def _shell(self) -> Iterator[Problem]:
        if swallows_term(self.words):
            yield error(
                self._where("ExecStart"),
                f"{self.words[0]} is the main process and does not pass TERM on to jobsup; "
                "start jobsup itself, or write exec before it",
            )

    def _memory(self) -> Iterator[Problem]:
        if "MemoryMax" not in self.settings and "Slice" not in self.settings:
            yield warning(
                self._where(),
                "there is no memory limit, so jobs that grow take the host's memory, and others are killed for it; "
                "set MemoryMax=, or Slice= with one",
            )
