from jobsup import __version__
from jobsup.unix import proctitle


def test_a_worker_shows_its_pool_and_how_busy_it_is() -> None:
    assert proctitle.worker("heavy", 1, 2) == f"jobsup {__version__} heavy [1 of 2 busy]"


def test_a_stopping_worker_says_so() -> None:
    assert proctitle.worker("heavy", 1, 2, stopping=True).endswith("[1 of 2 busy] stopping")


def test_the_parent_counts_its_workers() -> None:
    assert proctitle.parent(1).endswith("parent [1 worker]")
    assert proctitle.parent(3, stopping=True).endswith("parent [3 workers] stopping")
