"""Worker processes and what they run, for people.  Ruby's Sidekiq processes are read and steered alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jobsup import payload
from jobsup.api.record import JobRecord
from jobsup.errors import JobsupError
from jobsup.store import reading, repair
from jobsup.store.reading import ProcessReply, Redis, WorkReply
from jobsup.store.stats import number


def json_object(raw: bytes) -> dict[str, Any]:
    """A JSON object, or an empty one for anything else."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class Process:
    """One worker process as its last heartbeat described it.

    Attributes:
        identity: ``host:pid:nonce``, the name of its record.
        info: what it said of itself when it started, empty where that is no JSON object.
        busy: jobs it is running.
        concurrency: jobs it can run at once.
        beat: when it last beat, Unix seconds.
        is_quiet: whether it has stopped fetching.
        rss: resident memory in kilobytes.
        rtt_us: its last round trip to Redis in microseconds.
    """

    def __init__(self, client: Redis, reply: ProcessReply) -> None:
        self._client = client
        self.identity = reply.identity
        self.info = json_object(reply.info)
        self.busy = number(reply.busy)
        # A field of its own since 8.1.2, a part of info before.
        self.concurrency = number(self.info.get("concurrency") if reply.concurrency is None else reply.concurrency)
        self.beat = payload.read_stamp((reply.beat or b"").decode("ascii", "replace"))
        self.is_quiet = reply.quiet == b"true"
        self.rss = number(reply.rss)
        self.rtt_us = number(reply.rtt_us)

    @property
    def hostname(self) -> str:
        return str(self.info.get("hostname") or "")

    @property
    def ours(self) -> dict[str, Any]:
        """What jobsup says beyond Sidekiq: ``pool``, ``version``, ``generation``; empty for others."""
        value = self.info.get("jobsup")
        return value if isinstance(value, dict) else {}

    @property
    def version(self) -> str:
        """Of the application that it runs, as its deploys name it; "" where it does not say."""
        return str(self.ours.get("version") or "")

    @property
    def queues(self) -> list[str]:
        return self._names("queues")

    @property
    def labels(self) -> list[str]:
        return self._names("labels")

    def _names(self, key: str) -> list[str]:
        value = self.info.get(key)
        return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []

    def quiet(self) -> None:
        """Ask it to fetch nothing more; it looks with its next heartbeat."""
        repair.ask(self._client, self.identity, "TSTP")

    def stop(self) -> None:
        """Ask it to drain and exit.  jobsup starts another in its place unless the pool is stopping."""
        repair.ask(self._client, self.identity, "TERM")

    def dump_threads(self) -> None:
        """Ask it to write the stacks of all its threads to its log."""
        repair.ask(self._client, self.identity, "TTIN")

    def __repr__(self) -> str:
        return f"<Process {self.identity} {self.busy} of {self.concurrency} busy>"


class ProcessSet:
    """Every worker process that is alive."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def __iter__(self) -> Iterator[Process]:
        return iter([Process(self._client, reply) for reply in reading.processes(self._client)])

    def __len__(self) -> int:
        return len(reading.processes(self._client))

    def find(self, identity: str) -> Process | None:
        return next((process for process in self if process.identity == identity), None)


class Work(JobRecord):
    """One job that is running.

    Attributes:
        identity: the process that runs it.
        thread: the process' own name of the thread.
        taken_from: the queue it was taken from.
        run_at: when it started, Unix seconds; 0 when that is not known.
    """

    def __init__(self, client: Redis, reply: WorkReply) -> None:
        self._client = client
        entry = json_object(reply.entry)
        job = entry.get("payload")
        # Before 6.0 an object, since then the job's own text.
        super().__init__((job if isinstance(job, str) else json.dumps(job)).encode("utf-8", "surrogatepass"))
        self.identity = reply.identity
        self.thread = reply.thread
        queue = entry.get("queue")
        self.taken_from = queue if isinstance(queue, str) else ""
        self.run_at = payload.read_stamp(entry.get("run_at"))

    def cancel(self) -> None:
        """Ask its process to end it: with the next heartbeat ``Cancelled`` is raised in it.  It does not run again.

        Raises:
            JobsupError: the process is not jobsup's, and Ruby's Sidekiq cannot end a single job.
        """
        if not repair.cancel(self._client, self.identity, self.jid):
            raise JobsupError(f"{self.identity} is no process of jobsup and cannot end a single job; stop it instead")


class WorkSet:
    """Every job that is running, as of the processes' last heartbeats; longest running first."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def __iter__(self) -> Iterator[Work]:
        found = [Work(self._client, reply) for reply in reading.work(self._client)]
        return iter(sorted(found, key=lambda work: work.run_at))

    def __len__(self) -> int:
        return len(reading.work(self._client))

    def find(self, jid: str) -> Work | None:
        return next((work for work in self if work.jid == jid), None)
