"""Judge a loaded configuration: every error and warning at once, so that one edit mends them all.

Pure: the world it needs (does a path exist, the grace of the platform) is handed in.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from jobsup.config.grace import LEAST, fit
from jobsup.config.load import Draft, Loaded, Setting, Stray
from jobsup.config.model import QUARANTINE, masked
from jobsup.config.problem import Problem, error, shown, warning
from jobsup.config.queues import unusual
from jobsup.config.schema import CAPSULE_KEYS, KEYS, MEANT, SIDEKIQ_ONLY, is_path
from jobsup.unix.memory import shown as size


@dataclass(frozen=True, slots=True)
class Checked:
    """One profile with the values that could be read, typed."""

    path: str | None
    settings: dict[str, Setting]

    def __getitem__(self, key: str) -> Any:
        return self.settings[key].value

    def origin(self, *keys: str) -> str:
        """Where the first of *keys* that somebody wrote comes from, else the file."""
        origins = [self.settings[key].origin for key in keys if key in self.settings]
        return next((o for o in origins if o not in {"default", "= timeout"}), self.path or "")


def check(
    loaded: Loaded, exists: Callable[[str], bool], grace: Setting | None = None
) -> tuple[list[Checked], list[Problem]]:
    """Read every value by its key's rule, then look at how the values fit each other.

    Args:
        loaded: what was written.
        exists: whether a path of ``require`` exists.
        grace: seconds between the platform's TERM and its KILL (``JOBSUP_GRACE``), when it is known.
    """
    problems = list(loaded.problems)
    allowed = None
    if grace is not None:
        allowed = _seconds(grace.value)
        if allowed is None or allowed < LEAST:
            problems.append(error(grace.origin, f"must be a number of seconds of at least {LEAST:g}"))
    profiles = []
    for draft in loaded.drafts:
        profile = _read(draft, problems)
        profiles.append(profile)
        problems += [p for stray in draft.strays if (p := _stray(stray)) is not None]
        problems += _capsule_keys(draft)
        problems += _queues(profile)
        problems += _requirements(profile, exists)
        problems += _memory(profile)
        problems += _budget(profile, grace.origin if grace else "", allowed)
    together = (_names, _quarantines, _redis, _health, _wire)
    return profiles, problems + [problem for look in together for problem in look(profiles)]


def _read(draft: Draft, problems: list[Problem]) -> Checked:
    settings = {}
    for key, setting in draft.settings.items():
        try:
            settings[key] = Setting(KEYS[key].read(setting.value), setting.origin)
        except ValueError as wrong:
            problems.append(error(setting.origin, f"{key} {wrong}"))
    if "timeout" in settings and "max_timeout" not in draft.settings:
        settings["max_timeout"] = Setting(settings["timeout"].value, "= timeout")
    if "redis" in draft.settings and "redis_file" in draft.settings:
        both = draft.settings["redis"].origin, draft.settings["redis_file"].origin
        if both[0].split(":")[0] == both[1].split(":")[0] == draft.path:
            problems.append(error(both[0], "names the Redis twice: keep redis or redis_file"))
    return Checked(draft.path, settings)


def _stray(stray: Stray) -> Problem | None:
    """A key that looks like one of ours is a typing error; files shared with Ruby may hold any other."""
    if stray.key in SIDEKIQ_ONLY:
        return None
    if meant := _meant(stray.key, KEYS):
        return error(stray.origin, f"unknown key {shown(stray.key)}; did you mean {meant!r}?")
    if stray.section:
        return None
    return warning(stray.origin, f"unknown key {shown(stray.key)} is not used")


def _meant(key: str, known: Sequence[str] | dict[str, Any]) -> str | None:
    if MEANT.get(key) in known:
        return MEANT[key]
    return next(iter(get_close_matches(key.lower(), list(known), n=1, cutoff=0.8)), None)


def _capsule_keys(draft: Draft) -> Iterator[Problem]:
    setting = draft.settings.get("capsules")
    if setting is None or not isinstance(setting.value, dict):
        return
    for capsule, inner in setting.value.items():
        for key in map(str, inner if isinstance(inner, dict) else ()):
            if key not in CAPSULE_KEYS:
                meant = _meant(key, CAPSULE_KEYS)
                hint = f"did you mean {meant!r}?" if meant else "known: queues, concurrency"
                yield error(setting.origin, f"unknown key {shown(key)} in the capsule {shown(capsule)}; {hint}")


def _queues(profile: Checked) -> Iterator[Problem]:
    lists = {"default": profile.settings["queues"].value} if "queues" in profile.settings else {}
    origin = profile.origin("queues", "capsules")
    if "capsules" in profile.settings:
        lists |= {name: given["queues"] for name, given in profile["capsules"].items() if "queues" in given}
    seen = Counter(name for queues in lists.values() for name, _weight in queues)
    for name, capsules in seen.items():
        if name.endswith(QUARANTINE):
            yield error(origin, f"the queue {shown(name)} would be a quarantine, which jobsup keeps itself; rename it")
        if unusual(name):
            yield warning(origin, f"the queue name {shown(name)} has other characters than letters, digits and _ . : -")
        if capsules > 1:
            yield warning(origin, f"the queue {shown(name)} is in {capsules} capsules: its jobs share their threads")


def _requirements(profile: Checked, exists: Callable[[str], bool]) -> Iterator[Problem]:
    if "require" not in profile.settings:
        return
    origin = profile.origin("require")
    if not profile["require"]:
        yield warning(origin, "require names nothing: every job will be an unknown job; add require or -r")
    for item in profile["require"]:
        if is_path(item) and not exists(item):
            yield error(origin, f"require: {item} does not exist; check the path")


def _memory(profile: Checked) -> Iterator[Problem]:
    if not profile.settings.keys() >= {"max_memory", "kill_memory"}:
        return
    soft, hard = profile["max_memory"], profile["kill_memory"]
    if hard <= soft:
        yield error(
            profile.origin("kill_memory"),
            f"kill_memory ({size(hard)}) must be above max_memory ({size(soft)}), or nobody is replaced in time",
        )


def _budget(profile: Checked, grace_origin: str, grace: float | None) -> Iterator[Problem]:
    if not profile.settings.keys() >= {"timeout", "max_timeout", "kill_after"}:
        return
    timeout, longest, kill_after = profile["timeout"], profile["max_timeout"], profile["kill_after"]
    if longest < timeout:
        where = profile.origin("max_timeout", "timeout")
        yield error(where, f"max_timeout ({longest:g}s) must not be below timeout ({timeout:g}s)")
    if grace is not None and grace >= LEAST:
        cut = fit(grace, timeout, longest, kill_after)
        if cut != (timeout, longest, kill_after):
            yield warning(
                profile.origin("max_timeout", "timeout", "kill_after"),
                f"a stop may take {max(longest, timeout) + kill_after:g}s (max_timeout {longest:g}s, kill_after "
                f"{kill_after:g}s), but the platform kills after {grace:g}s ({grace_origin}): jobs get {cut[1]:g}s, "
                f"and {cut[2]:g}s to unwind",
            )


def _names(profiles: Sequence[Checked]) -> Iterator[Problem]:
    first: dict[str, Checked] = {}
    for profile in profiles:
        if "name" not in profile.settings:
            continue
        other = first.setdefault(profile["name"], profile)
        if other is not profile:
            yield error(
                profile.path or "",
                f"{other.path} is also named {profile['name']!r}; give one of them a name of its own",
            )


def _quarantines(profiles: Sequence[Checked]) -> Iterator[Problem]:
    names = [profile["name"] for profile in profiles if "name" in profile.settings]
    for name in names:
        if name.endswith(QUARANTINE):
            yield error(
                next(p.origin("name") for p in profiles if p.settings.get("name") and p["name"] == name),
                f"a profile cannot be named {name!r}: so jobsup names the pools of suspects; choose another name",
            )
    for profile in profiles:
        if "quarantine" in profile.settings and profile["quarantine"] not in names:
            yield error(
                profile.origin("quarantine"),
                f"quarantine names the profile {profile['quarantine']!r}, which is not among those of this run "
                f"({', '.join(names)})",
            )


def _redis(profiles: Sequence[Checked]) -> Iterator[Problem]:
    named = [profile.settings["redis"] for profile in profiles if "redis" in profile.settings]
    for other in named[1:]:
        if other.value != named[0].value:
            yield error(
                other.origin,
                f"names {masked(other.value)}, but {named[0].origin} names {masked(named[0].value)}; "
                "one supervisor has one Redis, so start a second jobsup for the other",
            )


def _health(profiles: Sequence[Checked]) -> Iterator[Problem]:
    named = [profile.settings["health"] for profile in profiles if "health" in profile.settings]
    for other in named[1:]:
        if other.value != named[0].value:
            yield error(
                other.origin,
                f"health is {other.value}, but {named[0].value} in {named[0].origin}; one supervisor has one address",
            )


def _wire(profiles: Sequence[Checked]) -> Iterator[Problem]:
    """Scheduled jobs and retries of all profiles share their sets, so one generation must be written."""
    named = [profile.settings["wire"] for profile in profiles if "wire" in profile.settings]
    for other in named[1:]:
        if other.value != named[0].value:
            yield error(
                "wire",
                f"is {named[0].value} ({named[0].origin}) and {other.value} ({other.origin}); "
                "profiles of one Redis must write for one generation of Sidekiq",
            )


def _seconds(text: str) -> float | None:
    try:
        value: float = KEYS["timeout"].read(float(text))
    except ValueError:
        return None
    return value
