"""The application of a run under test.  What it did it writes into a ledger; some of it fails by plan, each once."""

import os
import time

import jobsup.jobs.iterable
from jobsup import IterableJob, Job, Shutdown, job
from jobsup.jobs import retry_policy

DIRECTORY = os.environ["CRASH_DIRECTORY"]
jobsup.jobs.iterable.SAVE_EVERY = 0.1
retry_policy.after_failure.__kwdefaults__["jitter"] = lambda _most: 0


def note(what, n, *more):
    fd = os.open(f"{DIRECTORY}/ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{what} {n} {os.getpid()} {time.time():.6f}{''.join(f' {one}' for one in more)}\n".encode())
    os.close(fd)


def first_time(n):
    try:
        os.close(os.open(f"{DIRECTORY}/once-{n}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def may_end():
    return os.path.exists(f"{DIRECTORY}/may-end")


@job
def quick(n):
    note("start", n)
    note("end", n)


@job
def nap(n):
    note("start", n)
    time.sleep(0.1)
    note("end", n)


@job
def pushes(n, other):
    note("start", n)
    quick.perform_async(other)
    note("end", n)


@job
def crashes_once(n):
    note("start", n)
    if first_time(n):
        note("crash", n)
        os._exit(3)
    note("end", n)


@job(timeout=0.1)
def waits(n):
    note("start", n)
    try:
        while not may_end():
            time.sleep(0.01)
    except Shutdown:
        note("interrupted", n)
        raise
    note("end", n)


@job(timeout=0.1)
def sleeps(n):
    note("start", n)
    while not may_end():
        time.sleep(5)  # no exception gets in here: its process leaves with it
    note("end", n)


class FailsOnce(Job, retry_in=lambda count, error, payload: 1):
    def perform(self, n):
        note("start", n)
        if first_time(n):
            note("fail", n)
            raise RuntimeError("once, as planned")
        note("end", n)


class Fails(Job, retry=0):
    def perform(self, n):
        note("start", n)
        note("fail", n)
        raise RuntimeError("as planned")


class Items(IterableJob):
    """At least ten items, and as many as it takes until the scenario says that it may end."""

    def build_enumerator(self, n, cursor):
        note("start", n)
        k, done = cursor or 0, False
        try:
            while k < 10 or not may_end():
                yield k, k
                k += 1
            done = True
        finally:
            note("end" if done else "paused", n)

    def each_iteration(self, k, n):
        note("item", n, k)
        time.sleep(0.02)
