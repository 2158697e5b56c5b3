"""What users' type checkers see.  Checked by mypy in a test, never run."""

from collections.abc import Iterator
from typing import Any, assert_type

from jobsup import IterableJob, Job, job
from jobsup.client import Client


class PaymentJob(Job, queue="critical", retry=10):
    def perform(self, order_id: int) -> str:
        return f"{self.jid} {order_id}"


assert_type(PaymentJob.perform_async(42), str | None)
assert_type(PaymentJob.perform_in(5, 42), str | None)
assert_type(PaymentJob.perform_bulk([[1], [2]]), list[str | None])
assert_type(PaymentJob.set(queue="low").perform_async(1), str | None)
assert_type(PaymentJob().perform(1), str)


@job(queue="heavy", timeout=60)
def resize(image: int, width: int = 10) -> float:
    return image / width


@job
def ping() -> None: ...


assert_type(resize(1), float)
assert_type(resize.perform_async(1, width=2), str | None)
assert_type(resize.perform_in(5, 1), str | None)
assert_type(resize.perform_inline(1), float | None)
assert_type(ping.perform_async(), str | None)
resize.perform_async("x")  # type: ignore[arg-type]
resize.perform_async()  # type: ignore[call-arg]
ping.perform_async(1)  # type: ignore[call-arg]


class Import(IterableJob, queue="heavy"):
    def build_enumerator(self, path: str, cursor: int | None) -> Iterator[tuple[dict[str, str], int]]:
        return self.csv_enumerator(path, cursor=cursor)

    def each_iteration(self, row: dict[str, str], path: str) -> None: ...


class Pages(IterableJob):
    def build_enumerator(self, cursor: Any) -> Iterator[tuple[str, Any]]:
        return self.rows_enumerator(lambda after, limit: ["a"], key=lambda row: row, cursor=cursor)

    def each_iteration(self, row: str) -> None: ...


assert_type(Import.perform_async("users.csv"), str | None)
assert_type(Import.cancel("jid"), float)

assert_type(Client().push({"class": "X", "args": []}), str | None)
