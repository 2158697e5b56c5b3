from __future__ import annotations

from unittest.mock import Mock

from jobsup.parent.crew import Crew


def test_thousands_of_suspects_are_given_a_bounded_number_of_processes() -> None:
    crew = Crew(Mock(), on_end=(), on_crash=Mock())
    crew.isolate("main.quarantine", 3)
    assert crew.pool("main.quarantine").suspects == 3

    crew.isolate("main.quarantine", 5000)
    assert crew.pool("main.quarantine").suspects == 25
