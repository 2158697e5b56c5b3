"""Read the layers (flags, environment section, file, default) and remember where each value came from.

Nothing is judged here but whether a file can be read: ``check`` does the judging, on what this returns.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobsup.config import redis_url
from jobsup.config.document import MAX_BYTES, DocumentError, Entry, parse
from jobsup.config.flags import Flags
from jobsup.config.problem import Problem, error
from jobsup.config.schema import KEYS
from jobsup.errors import ArgumentError

DEFAULT_FILE = "config/sidekiq.yml"
_EITHER = {"redis": "redis_file", "redis_file": "redis"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and its origin: ``configs/heavy.yml:3``, ``flag -c``, ``$REDIS_URL``, ``default``, …"""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Stray:
    """A key that no table knows; a section when it holds a mapping."""

    key: str
    origin: str
    section: bool


@dataclass(slots=True)
class Draft:
    """One profile as it was written, not yet judged."""

    path: str | None
    settings: dict[str, Setting] = field(default_factory=dict)
    strays: list[Stray] = field(default_factory=list)

    def put(self, layer: Mapping[str, Setting]) -> None:
        """Lay *layer* over what is there; a ``redis`` replaces a weaker ``redis_file`` and the reverse."""
        for key in layer:
            self.settings.pop(_EITHER.get(key, ""), None)
        self.settings.update(layer)


@dataclass(slots=True)
class Loaded:
    """Every draft, what holds for the whole supervisor, and what could not be read."""

    environment: Setting
    drafts: list[Draft] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def load(flags: Flags, environ: Mapping[str, str], directory: str) -> Loaded:
    """Read every profile that *flags* ask for; relative paths start from *directory*."""
    loaded = Loaded(_environment(flags, environ))
    paths: Iterable[str | None] = flags.config
    if not flags.config:
        paths = [DEFAULT_FILE if os.path.exists(os.path.join(directory, DEFAULT_FILE)) else None]
    for path in paths:
        draft = Draft(path)
        draft.put(_defaults(path, environ, directory))
        if path is not None and not _read_file(draft, path, loaded, environ, directory):
            continue  # what it would have said is unknown: judging its defaults would be noise
        draft.put(_from_flags(flags))
        loaded.drafts.append(draft)
    _count_processes(flags, loaded)
    for draft in loaded.drafts:
        _read_redis_file(draft, loaded, directory)
    return loaded


def fallback_redis(environ: Mapping[str, str]) -> Setting | Problem:
    """The Redis of a run that names none, by Sidekiq's rules."""
    try:
        return Setting(*redis_url.from_environment(environ))
    except ArgumentError as problem:
        where, _, what = str(problem).partition(" ")
        return error(where, what)


def _environment(flags: Flags, environ: Mapping[str, str]) -> Setting:
    if flags.environment:
        return Setting(flags.environment, "flag -e")
    for variable in ("JOBSUP_ENV", "RAILS_ENV", "APP_ENV", "RACK_ENV"):
        if environ.get(variable):
            return Setting(environ[variable], f"${variable}")
    return Setting("development", "default")


def _defaults(path: str | None, environ: Mapping[str, str], directory: str) -> dict[str, Setting]:
    settings = {key: Setting(spec.default, "default") for key, spec in KEYS.items() if spec.default is not None}
    settings["tag"] = Setting(_application_name(directory), "directory name")
    settings["version"] = application_version(environ, directory)
    settings["name"] = Setting("default", "default")
    if path is not None:
        settings["name"] = Setting(os.path.basename(path).split(".")[0], "file name")
    if threads := environ.get("RAILS_MAX_THREADS"):
        value = int(threads) if threads.isascii() and threads.isdigit() and len(threads) < 10 else threads
        settings["concurrency"] = Setting(value, "$RAILS_MAX_THREADS")
    return settings


def application_version(environ: Mapping[str, str], directory: str) -> Setting:
    """What runs in *directory*: ``$JOBSUP_VERSION``, else the name of a release as Capistrano lays them out.

    A link ``app/current`` is followed: after a reload it may lead to another release.
    """
    if version := environ.get("JOBSUP_VERSION"):
        return Setting(version, "$JOBSUP_VERSION")
    above, release = os.path.split(os.path.realpath(directory))
    if os.path.basename(above) == "releases":
        return Setting(release, "directory name")
    return Setting("", "default")


def _application_name(directory: str) -> str:
    """The directory's name, as Sidekiq tags a process; that of Capistrano's ``app/releases/1`` is ``app``."""
    parent, base = os.path.split(os.path.normpath(directory))
    above, releases = os.path.split(parent)
    if base.isdigit() and releases == "releases":
        return os.path.basename(above)
    return releases if base == "current" else base


def _from_flags(flags: Flags) -> dict[str, Setting]:
    given = {
        "concurrency": (flags.concurrency, "-c"),
        "queues": (list(flags.queue) or None, "-q"),
        "require": (list(flags.require) or None, "-r"),
        "timeout": (flags.timeout, "-t"),
        "tag": (flags.tag, "-g"),
        "verbose": (flags.verbose or None, "-v"),
        "health": (flags.health, "--health"),
    }
    return {key: Setting(value, f"flag {flag}") for key, (value, flag) in given.items() if value is not None}


def _count_processes(flags: Flags, loaded: Loaded) -> None:
    names = [draft.settings["name"].value for draft in loaded.drafts]
    # One that names a profile is stronger than one for all, wherever it stands.
    for name, count in sorted(flags.processes, key=lambda given: given[0] is not None):
        chosen = [draft for draft in loaded.drafts if name in (None, draft.settings["name"].value)]
        for draft in chosen:
            draft.put({"processes": Setting(count, "flag -P")})
        if not chosen and not loaded.problems:
            known = ", ".join(map(str, names))
            loaded.problems.append(error("flag -P", f"no profile is named {name!r}; there are: {known}"))


def _read_file(draft: Draft, path: str, loaded: Loaded, environ: Mapping[str, str], directory: str) -> bool:
    """Lay the file's top level and its section over the defaults; False when it cannot be read."""
    try:
        entries = parse(_text(os.path.join(directory, path)), environ)
    except DocumentError as problem:
        where = f"{path}:{problem.line}" if problem.line else path
        loaded.problems.append(error(where, str(problem)))
        return False
    section = entries.pop(loaded.environment.value, None) if loaded.environment.value not in KEYS else None
    _put_entries(draft, entries, path, "")
    if section is not None and section.inner is not None:
        _put_entries(draft, section.inner, path, f" (section {loaded.environment.value})")
    elif section is not None and section.value is not None:
        where = f"{path}:{section.line}"
        loaded.problems.append(error(where, f"section {loaded.environment.value} must hold 'key: value' lines"))
    return True


def _put_entries(draft: Draft, entries: Mapping[str, Entry], path: str, section: str) -> None:
    layer = {}
    for key, entry in entries.items():
        origin = f"{path}:{entry.line}{section}"
        if key not in KEYS:
            draft.strays.append(Stray(key, origin, entry.inner is not None))
        elif entry.value is not None:  # "key:" alone means: as if it were not there
            layer[key] = Setting(entry.value, origin)
    draft.put(layer)


def _read_redis_file(draft: Draft, loaded: Loaded, directory: str) -> None:
    """Put the URL that ``redis_file`` holds; its path starts from the file that names it."""
    setting = draft.settings.get("redis_file")
    if setting is None or "redis" in draft.settings or not isinstance(setting.value, str):
        return
    path = os.path.join(os.path.dirname(draft.path or ""), setting.value)
    try:
        url = _text(os.path.join(directory, path)).strip()
    except DocumentError as problem:
        loaded.problems.append(error(setting.origin, f"redis_file: {path} {problem}"))
        return
    draft.settings["redis"] = Setting(url, path)


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DocumentError(0, "does not exist; check the path") from None
    except OSError as problem:
        raise DocumentError(0, f"cannot be read: {problem.strerror}") from problem
    except ValueError:
        raise DocumentError(0, "is not a path") from None
    if len(content) > MAX_BYTES:
        raise DocumentError(0, f"is larger than {MAX_BYTES} bytes: not a configuration file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise DocumentError(line, "is not UTF-8; save it as UTF-8") from problem
