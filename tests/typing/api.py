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


class Greeting(Job):
    async def perform(self, name: str) -> str:
        return name


@job
async def visit(url: str, times: int = 1) -> int:
    return times


@job(queue="heavy")
async def sweep() -> None: ...


async def main() -> None:
    assert_type(await Greeting().perform("x"), str)
    assert_type(await Greeting.aperform_async("x"), str | None)
    assert_type(await Greeting.aperform_bulk([["x"]]), list[str | None])
    assert_type(visit.perform_async("x"), str | None)
    assert_type(visit.perform_inline("x"), int | None)
    assert_type(await visit("x"), int)
    assert_type(await visit.aperform_async("x", times=2), str | None)
    assert_type(await visit.aperform_in(5, "x"), str | None)
    assert_type(await visit.aperform_inline("x"), int | None)
    assert_type(await visit.set(queue="low").aperform_async("x"), str | None)
    assert_type(await sweep(), None)
    assert_type(await sweep.aperform_async(), str | None)
    assert_type(await resize.aperform_inline(1), float | None)
    await visit.aperform_async(1)  # type: ignore[arg-type]
    await sweep.aperform_async(1)  # type: ignore[call-arg]
    assert_type(await Client().apush({"class": "X", "args": []}), str | None)
    assert_type(await Client().apush_bulk({"class": "X", "args": []}), list[str | None])
    assert_type(await Import.acancel("jid"), float)
