import pytest

from jobsup.api.stats import QueueStats, Stats
from jobsup.cli.stats import lines, show

STATS = Stats(
    1234567, 3, 5, 2, 4, 1, 0, 7, (QueueStats("default", 5, 2.25), QueueStats("[b]mail\udce9\n\x1b[2J", 0, 0.0))
)


def test_the_columns_of_the_plain_form_are_aligned() -> None:
    summary, queues = "\n".join(lines(STATS)).split("\n\n")

    assert len({len(line) for line in summary.splitlines()}) == 1
    assert len({len(line) for line in queues.splitlines()}) == 1
    assert "processed     1,234,567" in summary
    assert queues.splitlines()[1].split() == ["default", "5", "2.2s"]


def test_a_queue_name_that_no_terminal_takes_is_escaped_and_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show(STATS)

    out = capsys.readouterr().out
    assert r"[b]mail\udce9\n\x1b[2J" in out
