"""The Configuration paragraph, sentence by sentence: from files, environment and flags to a Config."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobsup.config import shipped
from jobsup.config.flags import Flags
from jobsup.config.model import Config, Profile
from jobsup.config.resolve import Resolution, resolve

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str) -> str:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
        return name

    return write


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path)


def config(directory: str, flags: Flags, **environ: str) -> Config:
    resolution = resolve(flags, environ, directory)
    assert resolution.config is not None, [str(p) for p in resolution.problems]
    return resolution.config


def only(directory: str, flags: Flags, **environ: str) -> Profile:
    (profile,) = config(directory, flags, **environ).profiles
    return profile


def errors(resolution: Resolution) -> list[str]:
    assert resolution.config is None
    return [str(problem) for problem in resolution.problems if problem.level == "error"]


def test_keys_may_have_a_leading_colon_and_values_may_be_symbols(write: Write, directory: str) -> None:
    path = write("a.yml", ":concurrency: 3\n:queues:\n  - :mail\n  - [:low, 2]\n  - ':quoted'\n")

    profile = only(directory, Flags(config=(path,)))

    assert profile.concurrency == 3
    assert profile.capsules[0].queues == (("mail", 0), ("low", 2), (":quoted", 0))


@pytest.mark.parametrize(
    ("flag", "environ", "expected"),
    [
        ("a", {"JOBSUP_ENV": "b"}, "a"),
        (None, {"JOBSUP_ENV": "b", "RAILS_ENV": "a"}, "b"),
        (None, {"RAILS_ENV": "a", "APP_ENV": "b"}, "a"),
        (None, {"APP_ENV": "b", "RACK_ENV": "a"}, "b"),
        (None, {"RACK_ENV": "a"}, "a"),
        (None, {}, "development"),
    ],
)
def test_the_environment_is_the_flag_then_the_variables_in_order(
    write: Write, directory: str, flag: str | None, environ: dict[str, str], expected: str
) -> None:
    path = write("c.yml", "a: {concurrency: 1}\nb: {concurrency: 2}\ndevelopment: {concurrency: 3}\n")

    resolved = config(directory, Flags(config=(path,), environment=flag), **environ)

    assert resolved.environment == expected
    assert resolved.profiles[0].concurrency == {"a": 1, "b": 2, "development": 3}[expected]


def test_a_flag_beats_the_section_which_beats_the_top_level_which_beats_the_default(
    write: Write, directory: str
) -> None:
    path = write("c.yml", "concurrency: 2\ntimeout: 2\nkill_after: 2\nproduction:\n  concurrency: 3\n  timeout: 3\n")

    resolution = resolve(Flags(config=(path,), environment="production", concurrency=4), {}, directory)

    (profile,) = resolution.profiles
    found = {key: profile.settings[key] for key in ("concurrency", "timeout", "kill_after", "wire")}
    assert {key: (s.value, s.origin) for key, s in found.items()} == {
        "concurrency": (4, "flag -c"),
        "timeout": (3.0, "c.yml:6 (section production)"),
        "kill_after": (2.0, "c.yml:3"),
        "wire": (8, "default"),
    }


def test_a_section_replaces_whole_values_and_anchors_can_be_merged(write: Write, directory: str) -> None:
    path = write("c.yml", "base: &base\n  timeout: 7\nqueues: [a]\nproduction:\n  <<: *base\n  queues: [b]\n")

    profile = only(directory, Flags(config=(path,), environment="production"))

    assert profile.queues == ("b",)
    assert profile.timeout == 7


def test_each_file_is_a_profile_named_by_its_stem_or_its_name(write: Write, directory: str) -> None:
    paths = write("mail.yml.erb", "processes: 2\n"), write("other.yml", "name: heavy\n")

    first, second = config(directory, Flags(config=paths)).profiles

    assert (first.name, first.processes) == ("mail", 2)
    assert (second.name, second.processes) == ("heavy", 1)


def test_without_a_file_the_flags_make_one_profile(directory: str) -> None:
    profile = only(directory, Flags(queue=("a,2", "b"), concurrency=2, require=("app.jobs",), tag="x", timeout=3))

    assert (profile.name, profile.path, profile.tag) == ("default", None, "x")
    assert profile.capsules[0].queues == (("a", 2), ("b", 0))
    assert (profile.require, profile.timeout, profile.max_timeout) == (("app.jobs",), 3.0, 3.0)


def test_without_a_flag_config_sidekiq_yml_is_used_when_it_exists(write: Write, directory: str) -> None:
    write("config/sidekiq.yml", "concurrency: 9\n")

    assert only(directory, Flags()).concurrency == 9


def test_the_queue_flag_replaces_the_queues_of_the_file(write: Write, directory: str) -> None:
    path = write("c.yml", "queues: [a, b]\n")

    assert only(directory, Flags(config=(path,), queue=("z",))).queues == ("z",)


def test_capsules_add_to_the_default_one_and_take_its_threads(write: Write, directory: str) -> None:
    path = write("c.yml", "concurrency: 3\ncapsules:\n  single:\n    concurrency: 1\n    queues: [one]\n  more: {}\n")

    capsules = only(directory, Flags(config=(path,))).capsules

    assert [(c.name, c.concurrency, c.queues) for c in capsules] == [
        ("default", 3, (("default", 0),)),
        ("single", 1, (("one", 0),)),
        ("more", 3, (("default", 0),)),
    ]


def test_processes_come_from_the_flag_for_one_profile_then_for_all_then_the_file(write: Write, directory: str) -> None:
    paths = write("a.yml", "processes: 2\n"), write("b.yml", "processes: 2\n")

    counts = [p.processes for p in config(directory, Flags(config=paths, processes=(("b", 5), (None, 3)))).profiles]

    assert counts == [3, 5]


def test_processes_auto_is_at_least_one(write: Write, directory: str) -> None:
    assert only(directory, Flags(config=(write("a.yml", "processes: auto\n"),))).processes >= 1


def test_a_processes_flag_for_an_unknown_profile_names_the_known_ones(write: Write, directory: str) -> None:
    resolution = resolve(Flags(config=(write("a.yml", ""),), processes=(("x", 1),)), {}, directory)

    assert errors(resolution) == ["flag -P: no profile is named 'x'; there are: a"]


def test_a_required_path_becomes_absolute_and_a_module_stays(write: Write, directory: str) -> None:
    write("app/jobs.py", "")

    profile = only(directory, Flags(require=("app/jobs.py", "app.jobs")))

    assert profile.require == (f"{directory}/app/jobs.py", "app.jobs")


@pytest.mark.parametrize(
    ("flag", "content", "environ", "expected"),
    [
        ("redis://flag:1/0", "redis: redis://file:1/0", {"REDIS_URL": "redis://env:1/0"}, "redis://flag:1/0"),
        (None, "redis: redis://file:1/0", {"REDIS_URL": "redis://env:1/0"}, "redis://file:1/0"),
        (None, "redis_file: secret", {"REDIS_URL": "redis://env:1/0"}, "redis://:pw@secret:1/0"),
        (None, "redis: redis://x:1/0\nproduction: {redis_file: secret}", {"APP_ENV": "production"},
         "redis://:pw@secret:1/0"),
        (None, "", {"REDIS_PROVIDER": "MY", "MY": "redis://my:1/0", "REDIS_URL": "redis://env:1/0"}, "redis://my:1/0"),
        (None, "", {"REDIS_URL": "redis://env:1/0"}, "redis://env:1/0"),
        (None, "", {}, "redis://127.0.0.1:6379/0"),
    ],
)  # fmt: skip
def test_redis_is_the_flag_then_the_profile_then_the_provider_then_the_url_then_this_host(
    write: Write, directory: str, flag: str | None, content: str, environ: dict[str, str], expected: str
) -> None:
    write("sub/secret", "redis://:pw@secret:1/0\n")  # beside the file that names it
    path = write("sub/c.yml", content)

    assert config(directory, Flags(config=(path,), redis=flag), **environ).redis_url == expected


def test_a_provider_that_holds_a_url_is_refused_without_showing_it(directory: str) -> None:
    (problem,) = errors(resolve(Flags(), {"REDIS_PROVIDER": "redis://:hunter2@h/0"}, directory))

    assert problem.startswith("$REDIS_PROVIDER: must be the name")
    assert "hunter2" not in problem


def test_profiles_that_name_different_redis_are_refused_with_passwords_masked(write: Write, directory: str) -> None:
    paths = write("a.yml", "redis: redis://:hunter2@a:1/0"), write("b.yml", "redis: redis://:hunter2@b:1/0")

    (problem,) = errors(resolve(Flags(config=paths), {}, directory))

    assert problem.startswith("b.yml:1: names redis://:***@b:1/0, but a.yml:1 names redis://:***@a:1/0")


def test_a_profile_without_redis_shares_the_one_that_another_names(write: Write, directory: str) -> None:
    paths = write("a.yml", ""), write("b.yml", "redis: redis://b:1/0")

    assert config(directory, Flags(config=paths), REDIS_URL="redis://env:1/0").redis_url == "redis://b:1/0"


def test_embedded_keeps_its_data_in_the_state_directory_it_names(write: Write, directory: str) -> None:
    named = config(directory, Flags(embedded="/var/lib/my jobs"))
    usual = config(directory, Flags(embedded=""), XDG_STATE_HOME="/state", HOME="/home/x")
    home = config(directory, Flags(embedded=""), HOME="/home/x")

    assert (named.embedded, named.redis_url) == ("/var/lib/my jobs", "unix:///var/lib/my%20jobs/valkey.sock")
    assert usual.embedded == "/state/jobsup"
    assert home.embedded == "/home/x/.local/state/jobsup"


def test_an_embedded_directory_too_long_for_a_socket_is_refused(directory: str) -> None:
    (problem,) = errors(resolve(Flags(embedded="/x" * 60), {}, directory))

    assert problem.endswith("is longer than 100 bytes; name a directory with a shorter path")


def test_threads_default_to_rails_max_threads_as_in_sidekiq(directory: str) -> None:
    assert only(directory, Flags()).concurrency == 5
    assert only(directory, Flags(), RAILS_MAX_THREADS="8").concurrency == 8
    assert errors(resolve(Flags(), {"RAILS_MAX_THREADS": "many"}, directory)) == [
        "$RAILS_MAX_THREADS: concurrency must be a whole number of at least 1, is 'many'"
    ]


@pytest.mark.parametrize(("path", "tag"), [("app", "app"), ("app/current", "app"), ("app/releases/2024", "app")])
def test_the_tag_is_the_name_of_the_application_directory(tmp_path: Path, path: str, tag: str) -> None:
    assert only(str(tmp_path / path), Flags()).tag == tag


@pytest.mark.parametrize(
    ("environ", "flag", "expected"),
    [
        ({"JOBSUP_CTL": "/a", "RUNTIME_DIRECTORY": "/b"}, "/flag", "/flag"),
        ({"JOBSUP_CTL": "/a", "RUNTIME_DIRECTORY": "/b"}, None, "/a"),
        ({"RUNTIME_DIRECTORY": "/b:/c", "XDG_RUNTIME_DIR": "/d"}, None, "/b/ctl.sock"),
        ({"XDG_RUNTIME_DIR": "/d"}, None, "/d/jobsup/ctl.sock"),
    ],
)
def test_the_control_socket_is_the_flag_then_the_variables(
    directory: str, environ: dict[str, str], flag: str | None, expected: str
) -> None:
    assert config(directory, Flags(ctl=flag), **environ).ctl == expected


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "c.yml: does not exist; check the path"),
        ("a: [1\nb: 2\n", "c.yml:2: is not valid YAML"),
        ("- a\n", "c.yml:1: must hold 'key: value' lines"),
        ("a: 1\nb: <%= `id` %>\n", "c.yml:2: this Ruby cannot be evaluated here"),
        ("<%# x -%>\nconcurrency: 0\n", "c.yml:2: concurrency must be"),
        ("a: !ruby/object:Object {}\n", "c.yml:1: is not valid YAML"),
        ("a: !!python/object/apply:os.system [id]\n", "c.yml:1: is not valid YAML"),
        ("a: " + "[" * 5000, "c.yml: is nested too deeply"),
        ("a: 2024-99-99\n", "c.yml: is not valid YAML: it holds a number or date"),
        ("development: 5\n", "c.yml:1: section development must hold 'key: value' lines"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence_with_file_and_line(
    write: Write, directory: str, content: str | None, problem: str
) -> None:
    if content is not None:
        write("c.yml", content)

    found = errors(resolve(Flags(config=("c.yml",)), {}, directory))

    assert len(found) == 1
    assert found[0].startswith(problem)


def test_a_file_that_is_not_utf8_or_a_directory_or_huge_is_refused(tmp_path: Path, directory: str) -> None:
    (tmp_path / "latin").write_bytes(b"a: 1\nb: \xe9\n")
    (tmp_path / "huge").write_bytes(b"#" * 1_000_001)

    found = errors(resolve(Flags(config=("latin", "huge", ".")), {}, directory))

    assert [f.split(";")[0] for f in found] == [
        "latin:2: is not UTF-8",
        "huge: is larger than 1000000 bytes: not a configuration file",
        ".: cannot be read: Is a directory",
    ]


def test_a_yaml_error_does_not_show_what_erb_put_there(write: Write, directory: str) -> None:
    path = write("c.yml", "redis: <%= ENV['SECRET'] %>\n")

    (problem,) = errors(resolve(Flags(config=(path,)), {"SECRET": "*hunter2"}, directory))

    assert "hunter2" not in problem


def test_the_resolved_configuration_survives_the_way_to_the_parent(write: Write, directory: str) -> None:
    path = write("c.yml", "env: {A: b}\nlabels: [x]\ncapsules: {s: {queues: [[q, 2]]}}\nprocesses: auto\n")
    resolved = config(directory, Flags(config=(path,)))

    copy: dict[str, Any] = json.loads(json.dumps(resolved.dump()))

    assert Config.load(copy) == resolved


def test_the_shipped_profiles_are_without_errors_and_warnings(directory: str) -> None:
    paths = str(shipped.path("sidekiq.yml")), str(shipped.path("heavy.yml"))

    resolution = resolve(Flags(config=paths), {}, directory)

    assert resolution.problems == ()
    assert [(p["name"], p["processes"], p["concurrency"]) for p in resolution.profiles] == [
        ("sidekiq", 2, 5),
        ("heavy", 1, 2),
    ]


def test_a_profile_that_is_not_shipped_is_missing() -> None:
    with pytest.raises(FileNotFoundError, match="ships no"):
        shipped.path("none.yml")


def test_jobs_have_no_limits_unless_the_profile_sets_them(write: Write, directory: str) -> None:
    path = write("a.yml", "time_limit: 90\nmax_interruptions: 0\n")

    limited, free = only(directory, Flags(config=(path,))), only(directory, Flags())

    assert (limited.time_limit, limited.max_interruptions) == (90.0, 0)
    assert (free.time_limit, free.max_interruptions) == (None, None)


def test_a_key_as_long_as_the_file_is_named_in_short(write: Write, directory: str) -> None:
    path = write("c.yml", "x" * 1000 + ": 1\n")

    (problem,) = resolve(Flags(config=(path,), require=("app",)), {}, directory).problems

    assert len(str(problem)) < 200
    assert "xxx... is not used" in str(problem)
