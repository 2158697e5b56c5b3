"""What the jobs leave behind: a SQLite database that threads of many processes write to at once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass

from jobsup.contrib.demo.stdlib import ModuleFacts, PackageFacts

_SCHEMA = """
CREATE TABLE IF NOT EXISTS modules (
    name TEXT NOT NULL UNIQUE, size INTEGER, lines INTEGER, functions INTEGER, classes INTEGER, sha256 TEXT);
CREATE TABLE IF NOT EXISTS packages (name TEXT NOT NULL UNIQUE, size INTEGER, compressed INTEGER);
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, jid TEXT, job TEXT, what TEXT, pid INTEGER, started REAL, finished REAL);
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job, also one that was cut short.

    Attributes:
        job, what: the job's name and its argument.
        pid: the worker's.
        started, finished: Unix seconds; *finished* is None when the run left no result.
    """

    jid: str
    job: str
    what: str
    pid: int
    started: float
    finished: float | None


def create(path: str) -> None:
    """Make the tables.  Write-ahead logging lets the demo read while workers write, and stays with the file."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_SCHEMA)


@contextmanager
def transaction(path: str) -> Iterator[sqlite3.Connection]:
    """A connection whose changes are committed at the end, all or none."""
    with closing(sqlite3.connect(path, timeout=30.0)) as database, database:
        database.execute("PRAGMA synchronous = NORMAL")  # a crash of the host may undo the demo, no other
        yield database


def begin(path: str, jid: str, job: str, what: str, pid: int, now: float) -> int:
    """Note that a run starts; returns its number."""
    with transaction(path) as database:
        cursor = database.execute(
            "INSERT INTO runs (jid, job, what, pid, started) VALUES (?, ?, ?, ?, ?)",
            (jid, job, what, pid, now),
        )
        return int(cursor.lastrowid or 0)


def finish(path: str, run: int, name: str, facts: ModuleFacts | PackageFacts, now: float) -> None:
    """Record what a run found, once for each *name*: this is what makes the job idempotent.

    The run's end is noted in the same transaction, so that a finished run always has its result.
    """
    table = "modules" if isinstance(facts, ModuleFacts) else "packages"
    values = (name, *astuple(facts))
    marks = ", ".join("?" * len(values))
    with transaction(path) as database:
        # The table is one of the two names above; everything that is data is bound.
        database.execute(f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO NOTHING", values)  # noqa: S608
        database.execute("UPDATE runs SET finished = ? WHERE id = ?", (now, run))


def modules(path: str) -> dict[str, ModuleFacts]:
    """The recorded modules by name."""
    with transaction(path) as database:
        rows = database.execute("SELECT name, size, lines, functions, classes, sha256 FROM modules").fetchall()
    return {name: ModuleFacts(*values) for name, *values in rows}


def packages(path: str) -> dict[str, PackageFacts]:
    """The recorded packages by name."""
    with transaction(path) as database:
        rows = database.execute("SELECT name, size, compressed FROM packages").fetchall()
    return {name: PackageFacts(*values) for name, *values in rows}


def runs(path: str) -> list[Run]:
    """Every run, in the order they started."""
    with transaction(path) as database:
        rows = database.execute(
            "SELECT jid, job, what, pid, started, finished FROM runs ORDER BY started, id"
        ).fetchall()
    return [Run(*row) for row in rows]


def count(path: str) -> tuple[int, int]:
    """How many modules and packages are recorded."""
    with transaction(path) as database:
        found = database.execute("SELECT (SELECT count(*) FROM modules), (SELECT count(*) FROM packages)")
        modules, packages = found.fetchone()
    return int(modules), int(packages)
