"""Every rule for units: what breaks it, and where and what is said."""

from collections.abc import Sequence

import pytest

from jobsup.config.platform.systemd import check
from profiles import GIVEN

GOOD = """\
[Unit]
Description=jobs
[Service]
Type=notify
ExecStart=/opt/jobsup \\
  # the long one
  -C /etc/jobsup/heavy.yml
ExecReload=/opt/jobsup ctl reload --wait
KillMode=mixed
TimeoutStopSec=1min 10s
OOMPolicy=continue
MemoryMax=2G
[Install]
WantedBy=multi-user.target
"""


def found(*changes: tuple[str, str]) -> Sequence[str]:
    text = GOOD
    for before, after in changes:
        assert text.count(before) >= 1, before
        text = text.replace(before, after)
    return [f"{problem.level}: {problem}" for problem in check(text, "j.service", GIVEN)]


@pytest.mark.parametrize(
    "change",
    [
        ("TimeoutStopSec=1min 10s", "TimeoutStopSec=infinity"),
        ("TimeoutStopSec=1min 10s", "TimeoutSec=70"),
        ("TimeoutStopSec=1min 10s\n", ""),
        ("TimeoutStopSec=1min 10s\n", "TimeoutStopSec=5\nTimeoutStopSec=70\n"),
        ("MemoryMax=2G", "Slice=jobsup.slice"),
        ("ExecStart=", "ExecStart=-"),
        ("ExecStart=", "ExecStart=/bin/sh -c 'jobsup'\nExecStart=\nExecStart="),
        ("MemoryMax=2G", "MemoryMax=2G\nEnvironment=JOBSUP_GRACE=70"),
    ],
)
def test_a_unit_that_goes_with_its_profile_has_no_problem(change: tuple[str, str]) -> None:
    assert found(change) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("=1min 10s", "=60"),
            "error: j.service:10: a stop of 'heavy' may take 67s, but the unit is killed after 60s; "
            "set TimeoutStopSec=67, or lower max_timeout",
        ),
        (("=1min 10s", "=soon"), "error: j.service:10: TimeoutStopSec=soon is no time; write it like 1min 30s"),
        (
            ("Type=notify", 'Environment=A=1 "JOBSUP_GRACE=99"'),
            "error: j.service:4: JOBSUP_GRACE is 99, but the unit is killed after 70s",
        ),
        (
            ("KillMode=mixed\n", ""),
            "error: j.service:5: KillMode=control-group does not let the parent drain its workers and end who is left; "
            "set KillMode=mixed",
        ),
        (
            ("KillMode=mixed", "KillMode=process"),
            "error: j.service:9: KillMode=process does not let the parent drain its workers and end who is left; "
            "set KillMode=mixed",
        ),
        (
            ("Type=notify", "KillSignal=SIGQUIT"),
            "error: j.service:4: KillSignal=SIGQUIT does not drain; leave it out",
        ),
        (
            ("OOMPolicy=continue\n", ""),
            "error: j.service:5: OOMPolicy=stop stops every worker when the kernel kills one for its memory; "
            "set OOMPolicy=continue",
        ),
        (
            ("ExecStart=/opt/jobsup \\\n  # the long one\n  -C /etc/jobsup/heavy.yml",
             "ExecStart=/bin/sh -c 'jobsup -C heavy.yml'"),
            "error: j.service:5: /bin/sh is the main process and does not pass TERM on to jobsup; "
            "start jobsup itself, or write exec before it",
        ),
        (
            ("MemoryMax=2G\n", ""),
            "warning: j.service:5: there is no memory limit, so jobs that grow take the host's memory, and others are "
            "killed for it; set MemoryMax=, or Slice= with one",
        ),
    ],
)  # fmt: skip
def test_each_mismatch_is_one_sentence_with_its_place(change: tuple[str, str], said: str) -> None:
    assert found(change) == [said]


def test_systemds_own_time_to_stop_counts_where_none_is_given() -> None:
    from dataclasses import replace

    given = replace(GIVEN, profiles=[replace(GIVEN.profiles[1], max_timeout=100.0)])
    [problem] = check(GOOD.replace("TimeoutStopSec=1min 10s\n", ""), "j.service", given)
    assert "may take 107s, but the unit is killed after 90s (systemd's default)" in str(problem)


@pytest.mark.parametrize(
    "text", ["", "[Service]\nExecStart=/usr/bin/true\n", "ExecStart=jobsup\n", "\\", "[Service]\nExecStart='"]
)
def test_a_unit_without_jobsup_says_so(text: str) -> None:
    assert [str(p) for p in check(text, "j.service", GIVEN)] == [
        "j.service: no ExecStart= runs jobsup here; name the unit that has it"
    ]
