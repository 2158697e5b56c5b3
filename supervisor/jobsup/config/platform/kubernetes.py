"""What in a Kubernetes manifest does not go with the profiles it runs.  Pure.

Sources: the API's PodSpec and Container (defaults: 30 seconds of grace, which include the preStop hook), and
docs/kubernetes.md, which gives the reason of each rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobsup.config import address
from jobsup.config.platform.located import Map, documents, get, maps, words
from jobsup.config.platform.needs import Given, Needs, options, runs, shell, slept, swallows_term
from jobsup.config.problem import Problem, error, warning

_DEFAULT_GRACE = 30
_ASKS_REDIS = ("redis-cli", "valkey-cli", "redis", "stats", "/ready", "/startup")


def check(text: str, name: str, given: Given) -> Iterator[Problem]:
    """Everything wrong with the manifests in *text*, the file called *name*."""
    try:
        found = documents(text)
    except ValueError as wrong:
        yield error(name, str(wrong))
        return
    specs = [spec for document in found for spec in _pod_specs(document)]
    running = [(spec, c) for spec in specs for c in _containers(spec) if _runs(c)]
    if not running:
        yield error(name, "no container runs jobsup here; name the file that has its Deployment")
    for spec, container in running:
        yield from _Container(name, spec, container, given).problems()


def _pod_specs(document: Any) -> Iterator[Map]:
    if get(document, "kind") == "List":
        for item in maps(get(document, "items")):
            yield from _pod_specs(item)
    for path in (("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec"), ("spec",)):
        spec = get(document, *path)
        if isinstance(spec, Map) and "containers" in spec:
            yield spec
            return


def _containers(spec: Map) -> list[Map]:
    sidecars = [c for c in maps(spec.get("initContainers")) if c.get("restartPolicy") == "Always"]
    return maps(spec.get("containers")) + sidecars


def _command(container: Map) -> list[str]:
    """The words of pid 1; an image whose command is not named here is taken for one of jobsup."""
    return (words(container.get("command")) or ["jobsup"]) + words(container.get("args"))


def _runs(container: Map) -> bool:
    if "command" in container:
        return runs(_command(container))
    return runs(_command(container)) and bool(options(words(container.get("args")), "-C", "--config", "-r", "-q"))


class _Container:
    def __init__(self, name: str, spec: Map, container: Map, given: Given) -> None:
        self._name = name
        self._spec = spec
        self._container = container
        self._command = _command(container)
        script = self._command[-1].split() if shell(self._command) else self._command
        self._needs: Needs = given.needs(script)
        grace = spec.get("terminationGracePeriodSeconds")
        self._grace = float(grace) if isinstance(grace, int) else float(_DEFAULT_GRACE)
        self._by_default = not isinstance(grace, int)

    def problems(self) -> Iterator[Problem]:
        for look in (self._budget, self._env, self._hook, self._shell, self._memory, self._liveness, self._probes):
            yield from look()
        yield from self._cpus()

    def _where(self, mapping: Map | None = None, *keys: str) -> str:
        return f"{self._name}:{(self._container if mapping is None else mapping).at(*keys)}"

    def _said(self) -> str:
        return f"{self._grace:g}s" + (" (Kubernetes' default)" if self._by_default else "")

    def _budget(self) -> Iterator[Problem]:
        if self._grace < self._needs.stop:
            yield error(
                self._where(self._spec, "terminationGracePeriodSeconds"),
                f"a stop of {self._needs.slowest!r} may take {self._needs.stop:g}s, but the pod is killed after "
                f"{self._said()}; set terminationGracePeriodSeconds: {self._needs.stop:g}, or lower max_timeout",
            )

    def _env(self) -> Iterator[Problem]:
        found = [entry for entry in maps(self._container.get("env")) if entry.get("name") == "JOBSUP_GRACE"]
        if not found:
            yield warning(
                self._where(),
                f"JOBSUP_GRACE is not set, so a stop is not cut to the pod's grace; set it to {self._grace:g}",
            )
        elif "value" in found[-1] and str(found[-1]["value"]) != f"{self._grace:g}":
            yield error(
                self._where(found[-1]),
                f"JOBSUP_GRACE is {found[-1]['value']}, but the pod's grace is {self._said()}; make them equal",
            )

    def _hook(self) -> Iterator[Problem]:
        hook = get(self._container, "lifecycle", "preStop")
        if not isinstance(hook, Map):
            return
        command = words(get(hook, "exec", "command"))
        sleep = get(hook, "sleep", "seconds")
        taken = float(sleep) if isinstance(sleep, int) else slept(command)
        if taken and taken + self._needs.stop > self._grace:
            yield error(
                self._where(hook),
                f"preStop sleeps {taken:g}s of the grace of {self._said()}, and a stop may take {self._needs.stop:g}s "
                "after it; remove the hook (TERM alone stops fetching), or raise terminationGracePeriodSeconds",
            )
        waits = "drain" in " ".join(command).split() and "--wait" in " ".join(command).split()
        if waits and not any(e.get("name") == "JOBSUP_GRACE" for e in maps(self._container.get("env"))):
            yield error(
                self._where(hook),
                "preStop waits for the jobs, and without JOBSUP_GRACE it may use up the whole grace, so that TERM "
                "never comes; set JOBSUP_GRACE",
            )

    def _shell(self) -> Iterator[Problem]:
        if swallows_term(self._command):
            yield error(
                self._where(self._container, "command", "args"),
                f"{self._command[0]} is pid 1 and does not pass TERM on to jobsup; "
                "name jobsup itself as the command, or write exec before it",
            )
        signal = get(self._container, "lifecycle", "stopSignal")
        if signal not in (None, "SIGTERM"):
            yield error(self._where(), f"the stop signal is {signal}, which does not drain; use SIGTERM")

    def _memory(self) -> Iterator[Problem]:
        if get(self._container, "resources", "limits", "memory") is None:
            yield error(
                self._where(self._container, "resources"),
                "there is no memory limit, so jobs that grow take the node's memory, and others are killed for it; "
                "set resources.limits.memory",
            )

    def _liveness(self) -> Iterator[Problem]:
        probe = self._container.get("livenessProbe")
        path = get(probe, "httpGet", "path")
        command = " ".join(words(get(probe, "exec", "command"))).split()
        asked = next((word for word in (str(path), *command) if word.rsplit("/", 1)[-1] in _ASKS_REDIS
                      or word in _ASKS_REDIS), None)  # fmt: skip
        if isinstance(probe, Map) and asked:
            yield error(
                self._where(probe),
                f"the liveness probe asks {asked}, which fails while Redis is away, and a restart would interrupt the "
                "jobs that still run; ask /live, or jobsup ctl ping",
            )

    def _probes(self) -> Iterator[Problem]:
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = self._container.get(kind)
            port = get(probe, "httpGet", "port")
            if isinstance(probe, Map) and port is not None:
                yield from self._served(kind, self._where(probe), self._number(port))

    def _served(self, kind: str, where: str, port: int | None) -> Iterator[Problem]:
        try:
            host, served = address.parse(self._needs.health)
        except ValueError:
            yield error(where, f"the {kind} asks over HTTP, but nobody answers; add --health 0.0.0.0:{port or 7433}")
            return
        if host in ("127.0.0.1", "::1"):
            yield error(where, f"the {kind} comes from outside of the pod, but {host} is only heard inside it; "
                        f"use --health 0.0.0.0:{served}")  # fmt: skip
        if port is not None and port != served:
            yield error(where, f"the {kind} asks port {port}, but probes are answered on {served}; make them equal")

    def _number(self, port: Any) -> int | None:
        if isinstance(port, int):
            return port
        named = [entry for entry in maps(self._container.get("ports")) if entry.get("name") == port]
        number = named[0].get("containerPort") if named else None
        return number if isinstance(number, int) else None

    def _cpus(self) -> Iterator[Problem]:
        if self._needs.auto and get(self._container, "resources", "limits", "cpu") is None:
            yield warning(
                self._where(self._container, "resources"),
                f"processes: auto of {', '.join(self._needs.auto)} counts the node's CPUs, as there is no CPU limit"
                "; set resources.limits.cpu, or a number of processes",
            )
