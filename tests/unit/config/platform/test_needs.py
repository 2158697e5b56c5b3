"""What a command is, and what it needs."""

import pytest

from jobsup.config.platform.needs import options, runs, seconds, slept, swallows_term
from profiles import GIVEN


@pytest.mark.parametrize(
    ("words", "it_does"),
    [
        (["jobsup"], True),
        (["/opt/venv/bin/jobsup", "-C", "a.yml"], True),
        (["python", "-m", "jobsup", "-C", "a.yml"], True),
        (["env", "A=1", "jobsup", "-C", "a.yml"], True),
        (["sh", "-c", "cd /app && exec jobsup -C a.yml"], True),
        (["/bin/bash", "-lc", "jobsup -C a.yml"], True),
        (["jobsup", "ctl", "drain"], False),
        (["sh", "-c", "jobsup check && sleep 1"], False),
        (["sidekiq", "-C", "a.yml"], False),
        ([], False),
    ],
)
def test_a_supervisor_is_jobsup_without_a_subcommand(words: list[str], it_does: bool) -> None:
    assert runs(words) is it_does


@pytest.mark.parametrize(
    ("words", "it_does"),
    [
        (["sh", "-c", "jobsup -C a.yml"], True),
        (["/bin/bash", "-ec", "migrate && jobsup -C a.yml"], True),
        (["sh", "-c", "migrate && exec jobsup -C a.yml"], False),
        (["sh", "-c", "migrate\nexec /opt/venv/bin/jobsup -C a.yml"], False),
        (["sh", "-c", "exec python -m jobsup -C a.yml"], False),
        (["sh", "-c", "exec migrate; jobsup"], True),
        (["jobsup", "-C", "a.yml"], False),
    ],
)
def test_a_shell_keeps_term_unless_it_is_replaced(words: list[str], it_does: bool) -> None:
    assert swallows_term(words) is it_does


def test_an_option_is_found_in_each_of_its_forms() -> None:
    words = ["jobsup", "-C", "a.yml", "-Cb.yml", "--config", "c.yml", "--config=d.yml", "--health=x"]
    assert sorted(options(words, "-C", "--config")) == ["a.yml", "b.yml", "c.yml", "d.yml"]


@pytest.mark.parametrize(
    ("words", "stop", "auto"),
    [
        (["jobsup", "-C", "/etc/jobsup/sidekiq.yml"], 27, ()),
        (["jobsup", "-C", "sidekiq.yml", "-C", "heavy.yml"], 67, ("heavy",)),
        (["jobsup", "-C", "elsewhere.yml"], 67, ("heavy",)),
        (["jobsup", "-C", "heavy.yml", "-P", "2"], 67, ()),
    ],
)
def test_a_command_needs_what_its_slowest_profile_needs(words: list[str], stop: float, auto: tuple[str, ...]) -> None:
    needs = GIVEN.needs(words)
    assert (needs.stop, needs.auto) == (stop, auto)


@pytest.mark.parametrize(
    ("words", "time"),
    [(["sleep", "10"], 10), (["sh", "-c", "sleep 1m; sleep 5s"], 65), (["sh", "-c", "jobsup ctl quiet"], 0),
     (["sh", "-c", "sleep $N"], 0)],
)  # fmt: skip
def test_a_hook_says_how_long_it_sleeps(words: list[str], time: float) -> None:
    assert slept(words) == time


@pytest.mark.parametrize(
    ("text", "time"),
    [("1min 30s", 90), ("90", 90), ("1.5 min", 90), ("1min30", 90), ("soon", None), ("", None), ("5 apples", None),
     ("-5", None)],
)  # fmt: skip
def test_a_time_is_read_or_refused(text: str, time: float | None) -> None:
    assert seconds(text, {"": 1, "s": 1, "min": 60}) == time
