"""How long a stop may take."""

from __future__ import annotations

from jobsup.config.model import Capsule, Profile
from jobsup.worker.drain import Drain
from jobsup.worker.unit import UnitOfWork


def drain(begun: float = 100.0, timeout: float = 25.0, max_timeout: float = 60.0, patience: float = 0.0) -> Drain:
    profile = Profile(
        "p",
        1,
        (Capsule("default", 1, (("a", 0),)),),
        timeout=timeout,
        max_timeout=max_timeout,
        kill_after=6.0,
    )
    return Drain.of(profile, begun, patience)


def unit(timeout: float | None = None) -> UnitOfWork:
    made = UnitOfWork("a", b"")
    made.timeout = timeout
    return made


def test_a_job_has_the_profiles_timeout() -> None:
    assert drain().deadline(unit()) == 125.0


def test_a_jobs_own_timeout_counts_be_it_longer_or_shorter() -> None:
    assert drain().deadline(unit(40)) == 140.0
    assert drain().deadline(unit(5)) == 105.0


def test_no_job_has_longer_than_max_timeout() -> None:
    assert drain().deadline(unit(3600)) == 160.0


def test_the_process_stays_for_its_most_patient_job_and_leaves_before_it_would_be_killed() -> None:
    assert drain().until([unit(), unit(40)]) == 140.0
    assert drain().leave_at([unit(), unit(40)]) == 143.0


def test_an_idle_process_needs_no_time() -> None:
    assert drain().until([]) == 100.0


def test_a_halt_leaves_no_time_for_anything() -> None:
    halted = drain().halted(110.0)

    assert halted.deadline(unit(3600)) == 100.0
    assert halted.leave_at([unit()]) == 103.0


def test_a_reload_gives_every_job_its_patience_and_never_less_than_a_stop() -> None:
    patient = drain(patience=3600.0)
    assert patient.deadline(unit()) == patient.deadline(unit(5)) == 3700.0
    assert patient.settled_by == 3703.0
    assert drain(patience=1.0).deadline(unit()) == 125.0
