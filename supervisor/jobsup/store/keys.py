"""Every key name, in one place.  The first part is Sidekiq's; ours live under ``jobsup:``.

Source of Sidekiq's names: what its versions 6.4, 7.3 and 8.1 were seen to write.
"""

import time

QUEUES = "queues"
SCHEDULE = "schedule"
RETRY = "retry"
DEAD = "dead"
PROCESSES = "processes"
PROCESSED = "stat:processed"
FAILED = "stat:failed"

STAT_TTL = 157_680_000
"""Seconds a day's counter lives: five years."""
RECORD_TTL = 60
"""Seconds a process record lives after its last beat."""


def queue(name: str) -> str:
    return f"queue:{name}"


def queue_name(key: str) -> str:
    """The queue whose key is *key*."""
    return key.removeprefix("queue:")


def work(identity: str, wire: int) -> str:
    """The hash of running jobs.  6.4 reads ``:workers``; everything since reads ``:work``."""
    return f"{identity}:workers" if wire == 6 else f"{identity}:work"


def signals(identity: str) -> str:
    return f"{identity}-signals"


def day(counter: str, date: str) -> str:
    """*counter* of one UTC day, *date* as ``YYYY-MM-DD``."""
    return f"{counter}:{date}"


def interruptions(jid: str) -> str:
    """counter: how often stops have interrupted one job.  A jid may be any text, so a name takes only a part of it."""
    return f"jobsup:interruptions:{jid[:64]}"


INTERRUPTIONS_TTL = 2_592_000
"""Seconds after its last interruption that a job is remembered to have been interrupted: 30 days."""
ITERATION_TTL = 2_592_000
"""Seconds the state of an iterable job lives after it was first kept: 30 days, as in Sidekiq."""


def iteration(jid: str) -> bytes:
    """hash: where an iterable job stands; see ``store/iteration.py``.  Bytes: a jid may hold what is no text."""
    return f"it-{jid}".encode("utf-8", "replace")


VERSIONS = "jobsup:versions"
"""zset: version of the application -> Unix seconds at which a worker of it was last started."""


def marks(date: str) -> str:
    """hash: Sidekiq's deploy marks of one UTC day, *date* as ``YYYYMMDD``; the minute -> label."""
    return f"{date}-marks"


def mark_lock(label: str) -> str:
    """string: somebody marked a deploy of *label* within the last minute."""
    return f"deploylock-{label}"


MARKS_TTL = 7_776_000
"""Seconds that deploy marks live: 90 days, as in Sidekiq."""
MINUTE_TTL, TEN_MINUTES_TTL = 28_800, 259_200
"""Seconds that Sidekiq keeps its metrics, by the minute and by ten."""


def metrics(klass: str, utc: time.struct_time) -> tuple[str, str, str]:
    """Sidekiq 8's metrics of a minute: two hashes for all classes, by the minute and by ten, and *klass*' histogram.

    Padded as Sidekiq does it: in the hashes only the minute, in the histogram nothing.
    """
    minute = time.strftime(f"j|%y%m%d|{utc.tm_hour}:%M", utc)
    return minute, minute[:-1], f"h|{klass}-{utc.tm_mday}-{utc.tm_hour}:{utc.tm_min}"


def runs(date: str) -> str:
    """hash: what was measured on one UTC day, *date* as ``YYYYMMDD``; see ``store/durations.py``."""
    return f"jobsup:runs:{date}"


RUNS_TTL = 691_200
"""Seconds a day's measurements live: eight days, of which seven are read."""

LEASES = "jobsup:leases"
"""zset: identity -> server time in seconds at which its lease runs out."""
SWEPT = "jobsup:swept"
"""zset: identity -> when it was given up.  Looked at again for a while: see ``store/lua/give_back.lua``."""


def owner(identity: str) -> str:
    """hash: ``queues`` (JSON list), ``place``, ``pid``, ``start``: who may hold what, and where it lives."""
    return f"jobsup:owner:{identity}"


SCHEDULER = "jobsup:scheduler"
"""string: the supervisor whose keeper moves what is due; see ``keeper/lead.py``."""
DEATHS = "jobsup:deaths"
"""list of JSON: the last workers that ended unasked or had to be killed, on all hosts; newest left."""


def crashes(jid: str) -> str:
    """list: what ended the processes that ran this job, as JSON, newest left; see ``store/crashes.py``."""
    return f"jobsup:crashes:{jid}"


def inflight(identity: str, queue_name: str) -> str:
    """list: what *identity* has taken from one queue and not yet settled; newest left."""
    return f"jobsup:inflight:{identity}:{queue_name}"
