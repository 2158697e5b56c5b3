"""What in a Compose file does not go with the profiles it runs.  Pure.

Sources: the Compose specification, "services" (``stop_grace_period`` is 10 seconds unless given; a command that is one
text is split into words, and no shell runs it).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from jobsup.config.platform.located import Map, documents, get, words
from jobsup.config.platform.needs import Given, options, runs, seconds, shell, swallows_term
from jobsup.config.problem import Problem, error, warning

_DEFAULT_GRACE = 10.0
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def check(text: str, name: str, given: Given) -> Iterator[Problem]:
    """Everything wrong with the services in *text*, the file called *name*."""
    try:
        found = documents(text)
    except ValueError as wrong:
        yield error(name, str(wrong))
        return
    services = [s for d in found for s in (get(d, "services") or Map()).values() if isinstance(s, Map)]
    running = [service for service in services if _runs(service)]
    if not running:
        yield error(name, "no service runs jobsup here; name the file that has it")
    for service in running:
        yield from _service(service, name, given)


def _split(value: Any) -> list[str]:
    try:
        return shlex.split(value) if isinstance(value, str) else words(value)
    except ValueError:
        return []


def _command(service: Map) -> list[str]:
    """The words of pid 1; an image whose entrypoint is not named here is taken for one of jobsup."""
    command = _split(service.get("command"))
    if entrypoint := _split(service.get("entrypoint")):
        return entrypoint + command
    return command if runs(command) else ["jobsup", *command]


def _runs(service: Map) -> bool:
    command = _split(service.get("command"))
    named = _split(service.get("entrypoint")) + command
    return runs(named) or (runs(["jobsup", *named]) and bool(options(command, "-C", "--config", "-r", "-q")))


def _service(service: Map, name: str, given: Given) -> Iterator[Problem]:
    def where(*keys: str) -> str:
        return f"{name}:{service.at(*keys)}"

    command = _command(service)
    needs = given.needs(command[-1].split() if shell(command) else command)
    grace = seconds(str(service.get("stop_grace_period", "10s")), _UNITS)
    if grace is None:
        yield error(where("stop_grace_period"), "stop_grace_period is no time; write it like 1m30s")
        grace = _DEFAULT_GRACE
    said = f"{grace:g}s" if "stop_grace_period" in service else f"{grace:g}s (Docker's default)"
    if grace < needs.stop:
        yield error(
            where("stop_grace_period"),
            f"a stop of {needs.slowest!r} may take {needs.stop:g}s, but the container is killed after {said}; "
            f"set stop_grace_period: {needs.stop:g}s, or lower max_timeout",
        )
    yield from _grace(service, where("environment"), grace, said)
    if swallows_term(command):
        yield error(
            where("entrypoint", "command"),
            f"{command[0]} is pid 1 and does not pass TERM on to jobsup; "
            "name jobsup itself as the command, or write exec before it",
        )
    if service.get("stop_signal", "SIGTERM") not in ("SIGTERM", "TERM", 15, "15"):
        yield error(
            where("stop_signal"), f"the stop signal is {service['stop_signal']}, which does not drain; use SIGTERM"
        )
    if "mem_limit" not in service and get(service, "deploy", "resources", "limits", "memory") is None:
        yield error(
            where(),
            "there is no memory limit, so jobs that grow take the host's memory, and others are killed for it; "
            "set mem_limit",
        )
    if needs.auto and "cpus" not in service and get(service, "deploy", "resources", "limits", "cpus") is None:
        yield warning(
            where(),
            f"processes: auto of {', '.join(needs.auto)} counts the host's CPUs, as there is no CPU limit; "
            "set cpus, or a number of processes",
        )


def _grace(service: Map, where: str, grace: float, said: str) -> Iterator[Problem]:
    environment = service.get("environment")
    if isinstance(environment, Map):
        value = environment.get("JOBSUP_GRACE")
    else:
        pairs = [word.partition("=") for word in words(environment)]
        value = next((after for before, _, after in pairs if before == "JOBSUP_GRACE"), None)
    if value is None:
        yield warning(where, f"JOBSUP_GRACE is not set, so a stop is not cut to the grace; set it to {grace:g}")
    elif str(value) != f"{grace:g}":
        yield error(where, f"JOBSUP_GRACE is {value}, but the grace is {said}; make them equal")
