"""Pairs of item and cursor, for ``IterableJob.build_enumerator``.

All begin with the item of the cursor they are given.  A cursor came from Redis: anything but a cursor of the same
enumerator is refused with ArgumentError.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from jobsup.errors import ArgumentError

T = TypeVar("T")

SIZE = 1_000
"""Rows of one page or batch."""


def sequence(items: Sequence[T], *, cursor: int | None) -> Iterator[tuple[T, int]]:
    """Each of *items*; the cursor is its index.  The sequence must be the same in every run, but may grow."""
    for index in range(_index(cursor), len(items)):
        yield items[index], index


def rows(
    fetch: Callable[[Any, int], Sequence[T]], *, key: Callable[[T], Any], cursor: Any, size: int = SIZE
) -> Iterator[tuple[T, Any]]:
    """Each row of something that is read in pages, such as a table; the cursor is the key of the row before.

    Rows may come and go between runs, the one at the cursor included.

    Args:
        fetch: called with a key and a number; returns at most that many rows behind that key, in the order of their
            keys, or none at the end.  The first time the key is None: from the beginning.
        key: of a row; unique, plain JSON (a list for several columns).
        cursor: what ``build_enumerator`` was given.
        size: rows of a page.
    """
    for page, after in batches(fetch, key=key, cursor=cursor, size=size):
        for row in page:
            yield row, after
            after = key(row)


def batches(
    fetch: Callable[[Any, int], Sequence[T]], *, key: Callable[[T], Any], cursor: Any, size: int = SIZE
) -> Iterator[tuple[Sequence[T], Any]]:
    """Whole pages of up to *size* rows; all else as for ``rows``."""
    after = cursor
    while page := fetch(after, size):
        yield page, after
        last = key(page[-1])
        if last == after:
            raise ArgumentError(f"fetch was asked for rows behind the key {after!r} and returned that row again")
        after = last


def csv_rows(
    path: str, *, cursor: int | None, encoding: str = "utf-8-sig", **form: Any
) -> Iterator[tuple[dict[str, str], int]]:
    """Each row of a CSV file as a dict; the cursor is its number, which is found again by reading up to it.

    Args:
        path: of a file that is the same in every run; it may grow.
        cursor: what ``build_enumerator`` was given.
        encoding: of the file; the default also takes plain UTF-8.
        form: how it is written, as for ``csv.DictReader``.
    """
    start = _index(cursor)
    with open(path, encoding=encoding, newline="") as file:
        for index, row in enumerate(islice(csv.DictReader(file, **form), start, None), start):
            yield row, index


def csv_batches(
    path: str, *, cursor: int | None, size: int = SIZE, encoding: str = "utf-8-sig", **form: Any
) -> Iterator[tuple[list[dict[str, str]], int]]:
    """Lists of up to *size* rows; the cursor is the number of the first.  All else as for ``csv_rows``."""
    index = _index(cursor)
    with open(path, encoding=encoding, newline="") as file:
        reader = islice(csv.DictReader(file, **form), index, None)
        while batch := list(islice(reader, size)):
            yield batch, index
            index += len(batch)


def _index(cursor: Any) -> int:
    if cursor is None:
        return 0
    if type(cursor) is not int or cursor < 0:
        raise ArgumentError(f"the cursor {str(cursor)[:100]!r} is no index; the job's state is of another enumerator")
    return cursor
