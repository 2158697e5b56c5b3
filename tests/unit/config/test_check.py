"""Everything wrong with a configuration, at once."""

from pathlib import Path

import pytest

from jobsup.config.flags import Flags
from jobsup.config.resolve import resolve


def problems(directory: Path, content: str, other: str | None = None, **environ: str) -> list[str]:
    (directory / "c.yml").write_text(content)
    paths = ("c.yml",)
    if other is not None:
        (directory / "o.yml").write_text(other)
        paths += ("o.yml",)
    found = resolve(Flags(config=paths, require=("app",)), environ, str(directory)).problems
    return [f"{problem.level}: {problem}" for problem in found]


def test_all_errors_and_warnings_are_reported_together(tmp_path: Path) -> None:
    found = problems(tmp_path, "concurrency: 0\ntimeout: -1\nqeues: [a]\nnew_key: 1\nwire: 5\n", "proccesses: 2")

    assert found == [
        "error: c.yml:1: concurrency must be a whole number of at least 1, is 0",
        "error: c.yml:2: timeout must be a number of seconds above 0, is -1",
        "error: c.yml:5: wire must be 6, 7 or 8 (a generation of Sidekiq), is 5",
        "error: c.yml:3: unknown key 'qeues'; did you mean 'queues'?",
        "warning: c.yml:4: unknown key 'new_key' is not used",
        "error: o.yml:1: unknown key 'proccesses'; did you mean 'processes'?",
    ]


def test_sections_of_other_environments_and_sidekiqs_own_keys_are_fine(tmp_path: Path) -> None:
    assert problems(tmp_path, "staging: {x: 1}\n:logfile: ./log\n:schedule: {a: {cron: x}}\n:strict: true\n") == []


@pytest.mark.parametrize(
    ("key", "meant"),
    [("timeouts", "timeout"), ("queue", "queues"), ("redis_url", "redis"), ("threads", "concurrency"),
     ("Concurrency", "concurrency"), ("capsule", "capsules"), ("max_retry", "max_retries")],
)  # fmt: skip
def test_an_unknown_key_close_to_a_known_one_is_an_error_with_did_you_mean(
    tmp_path: Path, key: str, meant: str
) -> None:
    assert problems(tmp_path, f"{key}: 1") == [f"error: c.yml:1: unknown key {key!r}; did you mean {meant!r}?"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("concurrency: 1.5", "concurrency must be a whole number"),
        ("concurrency: 99999999999", "concurrency must be a whole number of at least 1 and at most 1000000000"),
        ("concurrency: true", "concurrency must be a whole number"),
        ("concurrency: '5'", "concurrency must be a whole number"),
        ("processes: -2", "processes must be auto or a whole number of at least 1, is -2"),
        ("max_memory: much", "max_memory must be a size such as 512M or 1.5G, is 'much'"),
        ("max_memory: -1", "max_memory must be a size such as 512M or 1.5G, is -1"),
        ("max_memory: true", "max_memory must be a size such as 512M or 1.5G, is True"),
        ("max_memory: 512", "max_memory must be at least 16M, less than a worker needs, is 512"),
        ("kill_memory: 5P", "kill_memory must be a size such as 512M or 1.5G, is '5P'"),
        ("max_jobs: 0", "max_jobs must be a whole number of at least 1"),
        ("max_lifetime: 0", "max_lifetime must be a number of seconds above 0"),
        ("processes: many", "processes must be auto or a whole number"),
        ("timeout: .inf", "timeout must be a number of seconds above 0, is not finite"),
        ("timeout: .nan", "timeout must be a number of seconds above 0, is not finite"),
        ("kill_after: 0", "kill_after must be a number of seconds above 0"),
        ("boot_timeout: soon", "boot_timeout must be a number of seconds"),
        ("max_retries: -1", "max_retries must be a whole number of at least 0"),
        ("dead_max_jobs: 0", "dead_max_jobs must be a whole number of at least 1"),
        ("preload: 1", "preload must be true or false"),
        ("labels: [{a: 1}]", "labels must be a text"),
        ("name: a=b", "name must be 1 to 64 letters"),
        ("queues: ['']", "queues holds an empty name"),
        ("queues: [[a, -1]]", "queues holds a weight"),
        ("capsules: [a]", "capsules must be a mapping"),
        ("capsules: {s: {concurrency: 0}}", "capsules has in 's' wrong concurrency: it must be a whole number"),
        ("capsules: {s: {queue: [a]}}", "unknown key 'queue' in the capsule 's'; did you mean 'queues'?"),
        ("redis: localhost", "redis must be a URL"),
        ("redis: redis://h:x/0", "redis must be a URL"),
        ("env: {A: 1}", "env must hold strings; put quotes around the value of A"),
        ("env: {A=B: x}", "env must have variable names as keys"),
        ("max_timeout: 10", "max_timeout (10s) must not be below timeout (25s)"),
        ("redis_file: nowhere", "redis_file: nowhere does not exist"),
        ("redis: redis://a\nredis_file: b", "names the Redis twice: keep redis or redis_file"),
    ],
)
def test_a_wrong_value_is_one_error_that_says_what_is_right(tmp_path: Path, line: str, words: str) -> None:
    (found,) = problems(tmp_path, line)

    assert found.startswith("error: c.yml:1")
    assert words in found


def test_no_message_shows_a_secret(tmp_path: Path) -> None:
    content = "redis: 'http://:hunter2@h'\nenv: {TOKEN: [hunter2]}\n"

    assert "hunter2" not in str(problems(tmp_path, content, "redis: ['hunter2']"))


def test_duplicate_profile_names_are_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, "", "name: c")

    assert found == ["error: o.yml: c.yml is also named 'c'; give one of them a name of its own"]


def test_profiles_that_share_a_redis_write_one_generation(tmp_path: Path) -> None:
    assert problems(tmp_path, "wire: 7", "name: o") == [
        "error: wire: is 7 (c.yml:1) and 8 (default); profiles of one Redis must write for one generation of Sidekiq"
    ]
    assert problems(tmp_path, "wire: 7", "wire: 7\nname: o") == []


def test_a_queue_in_two_capsules_and_an_unusual_name_are_warnings(tmp_path: Path) -> None:
    assert problems(tmp_path, "queues: [a]\ncapsules: {s: {queues: [a, 'b c']}}") == [
        "warning: c.yml:1: the queue 'a' is in 2 capsules: its jobs share their threads",
        "warning: c.yml:1: the queue name 'b c' has other characters than letters, digits and _ . : -",
    ]


def test_a_required_file_must_exist_and_a_module_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("require: [no.such.module, ./missing.py, not-a-module]")
    (tmp_path / "o.yml").write_text("require: [no.such.module, ./missing.py]")

    found = resolve(Flags(config=("c.yml", "o.yml")), {}, str(tmp_path)).problems

    assert [str(problem) for problem in found] == [
        "c.yml:1: require must name modules (app.jobs) or paths (app/jobs.py), is 'not-a-module'",
        "o.yml:1: require: ./missing.py does not exist; check the path",
    ]


def test_a_profile_that_requires_nothing_is_warned_about(tmp_path: Path) -> None:
    (problem,) = resolve(Flags(queue=("a",)), {}, str(tmp_path)).problems

    assert (problem.level, problem.message.split(":")[0]) == ("warning", "require names nothing")


def test_a_stop_that_does_not_fit_into_the_platforms_grace_is_cut_and_said(tmp_path: Path) -> None:
    content = "timeout: 20\nkill_after: 5\n"

    (found,) = problems(tmp_path, content, JOBSUP_GRACE="26")

    assert found == (
        "warning: c.yml:1: a stop may take 25s (max_timeout 20s, kill_after 5s), but the platform kills after 26s "
        "($JOBSUP_GRACE): jobs get 19s, and 5s to unwind"
    )
    assert problems(tmp_path, content, JOBSUP_GRACE="27") == []


@pytest.mark.parametrize("value", ["soon", "0", "-1", "4.9", "nan", "inf"])
def test_a_grace_in_which_nothing_can_be_stopped_is_an_error(tmp_path: Path, value: str) -> None:
    assert problems(tmp_path, "", JOBSUP_GRACE=value) == [
        "error: $JOBSUP_GRACE: must be a number of seconds of at least 5"
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("queues: [mail.quarantine]", "the queue 'mail.quarantine' would be a quarantine"),
        ("name: app.quarantine", "a profile cannot be named 'app.quarantine'"),
        ("quarantine: huge", "quarantine names the profile 'huge', which is not among those of this run (c)"),
    ],
)
def test_quarantines_are_jobsups_own_and_name_a_profile_that_runs(tmp_path: Path, content: str, words: str) -> None:
    [problem] = problems(tmp_path, content)
    assert problem.startswith("error: c.yml:1: ")
    assert words in problem


def test_suspects_may_run_under_another_profile_of_the_same_run(tmp_path: Path) -> None:
    assert problems(tmp_path, "quarantine: o", "concurrency: 1") == []


def test_a_worker_must_be_replaced_before_it_is_killed(tmp_path: Path) -> None:
    assert problems(tmp_path, "max_memory: 1G\nkill_memory: 1024M\n") == [
        "error: c.yml:2: kill_memory (1G) must be above max_memory (1G), or nobody is replaced in time"
    ]
    assert problems(tmp_path, "max_memory: 1G\nkill_memory: 1.5G\n") == []
