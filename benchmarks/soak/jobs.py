"""The application of the soak: what leaks in a library leaks most in what is done most often."""

from collections.abc import Iterable

from jobsup import IterableJob, Job


class Nothing(Job):
    def perform(self) -> None:
        pass


class Read(Job):
    """Has arguments as real jobs have them: a kilobyte, some levels deep."""

    def perform(self, order: dict[str, object]) -> None:
        pass


class Fails(Job, retry=1, dead=False):
    """Fails in each of its two runs and is not kept among the dead."""

    @staticmethod
    def retry_in(count: int, error: BaseException, payload: dict[str, object]) -> int:
        return 1

    def perform(self) -> None:
        raise RuntimeError("fails, as planned")


class Steps(IterableJob):
    def build_enumerator(self, cursor: int | None) -> Iterable[tuple[int, int]] | None:
        return self.sequence_enumerator(range(20), cursor=cursor)

    def each_iteration(self, item: int) -> None:
        pass
