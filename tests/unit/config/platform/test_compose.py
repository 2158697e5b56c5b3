"""Every rule for Compose files: what breaks it, and where and what is said."""

from collections.abc import Sequence

import pytest

from jobsup.config.platform.compose import check
from profiles import GIVEN

GOOD = """\
services:
  jobs:
    image: jobs
    command: [-C, configs/heavy.yml]
    environment: {JOBSUP_GRACE: "70"}
    stop_grace_period: 1m10s
    mem_limit: 1g
    cpus: 2
  redis:
    image: valkey
    command: [valkey-server, --appendonly, "yes"]
"""


def found(*changes: tuple[str, str]) -> Sequence[str]:
    text = GOOD
    for before, after in changes:
        assert text.count(before) >= 1, before
        text = text.replace(before, after)
    return [f"{problem.level}: {problem}" for problem in check(text, "c.yaml", GIVEN)]


@pytest.mark.parametrize(
    "command",
    [
        "command: [-C, configs/heavy.yml]",
        "command: jobsup -C configs/heavy.yml",
        "entrypoint: [/opt/venv/bin/jobsup]\n    command: -C configs/heavy.yml",
        "command: [sh, -c, 'exec jobsup -C configs/heavy.yml']",
        "entrypoint: sh -c 'exec jobsup -C configs/heavy.yml'",
    ],
)
def test_a_service_that_goes_with_its_profile_has_no_problem(command: str) -> None:
    assert found(("command: [-C, configs/heavy.yml]", command)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            [("1m10s", "60s"), ('"70"', "60")],
            "error: c.yaml:6: a stop of 'heavy' may take 67s, but the container is killed after 60s; "
            "set stop_grace_period: 67s, or lower max_timeout",
        ),
        (
            [("    stop_grace_period: 1m10s\n", ""), ('"70"', "10")],
            "error: c.yaml:3: a stop of 'heavy' may take 67s, but the container is killed after 10s (Docker's "
            "default); set stop_grace_period: 67s, or lower max_timeout",
        ),
        ([('"70"', "99")], "error: c.yaml:5: JOBSUP_GRACE is 99, but the grace is 70s; make them equal"),
        (
            [('{JOBSUP_GRACE: "70"}', "[JOBSUP_GRACE=99]")],
            "error: c.yaml:5: JOBSUP_GRACE is 99, but the grace is 70s; make them equal",
        ),
        (
            [("JOBSUP_GRACE", "OTHER")],
            "warning: c.yaml:5: JOBSUP_GRACE is not set, so a stop is not cut to the grace; set it to 70",
        ),
        (
            [("[-C, configs/heavy.yml]", "sh -c 'jobsup -C configs/heavy.yml'")],
            "error: c.yaml:4: sh is pid 1 and does not pass TERM on to jobsup; "
            "name jobsup itself as the command, or write exec before it",
        ),
        (
            [("    cpus: 2", "    cpus: 2\n    stop_signal: SIGQUIT")],
            "error: c.yaml:9: the stop signal is SIGQUIT, which does not drain; use SIGTERM",
        ),
        (
            [("    mem_limit: 1g\n", "")],
            "error: c.yaml:3: there is no memory limit, so jobs that grow take the host's memory, and others are "
            "killed for it; set mem_limit",
        ),
        (
            [("    cpus: 2\n", "")],
            "warning: c.yaml:3: processes: auto of heavy counts the host's CPUs, as there is no CPU limit; "
            "set cpus, or a number of processes",
        ),
    ],
)
def test_each_mismatch_is_one_sentence_with_its_place(changes: list[tuple[str, str]], said: str) -> None:
    assert found(*changes) == [said]


def test_limits_may_stand_under_deploy() -> None:
    limits = "    deploy: {resources: {limits: {memory: 1g, cpus: '2'}}}\n"
    assert found(("    mem_limit: 1g\n    cpus: 2\n", limits)) == []


def test_a_grace_that_is_no_time_is_refused() -> None:
    assert found(("1m10s", "soon"))[0] == "error: c.yaml:6: stop_grace_period is no time; write it like 1m30s"


@pytest.mark.parametrize(
    "text", ["a: [", "", "services: []\n", "services: {redis: {image: valkey}}\n", "services: {a: 1}"]
)
def test_a_file_without_jobsup_says_so(text: str) -> None:
    [problem] = check(text, "c.yaml", GIVEN)
    assert problem.level == "error"
