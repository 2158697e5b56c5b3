"""Real forks, in a process of their own: it becomes a subreaper, which a test runner must not."""

import subprocess
import sys
import textwrap

PRELUDE = """
import os, select, signal, socket, sys, time
from jobsup.unix import fork, pidfd, process
from jobsup.unix.link import Link, pair
from jobsup.unix.wakeup import Wakeup

process.become_subreaper()
ours, theirs = pair()
inbox, outbox = Link(ours, blocking=True), Link(theirs, blocking=True)

def report(name, pid, fd):
    outbox.send("spawned", fds=[fd], pid=pid)

def made():
    [(message, [fd])] = inbox.receive()
    return message["pid"], fd

def ended(fd):
    select.select([fd], [], [], 10)
    while True:
        try:
            return pidfd.reap(fd)
        except ChildProcessError:
            time.sleep(0.001)
"""


def run(program: str) -> str:
    code = PRELUDE + textwrap.dedent(program)
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_term_sent_right_after_the_fork_is_never_lost() -> None:
    """Forty times, to a process that has not run one instruction of its own yet."""
    assert (
        run("""
        def report(name, pid, fd):
            os.kill(pid, signal.SIGTERM)
            outbox.send("spawned", fds=[fd], pid=pid)

        def body():
            wakeup = Wakeup(signal.SIGTERM)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            select.select([wakeup], [], [], 5)
            os._exit(7 if wakeup.drain() else 1)

        codes = []
        for _ in range(40):
            assert fork.fork_for(os.getpid(), report, {"it": body})
            codes.append(ended(made()[1]).code)
        print(codes.count(7))
    """).strip()
        == "40"
    )


def test_the_new_process_is_a_child_of_the_supervisor_and_leads_a_group() -> None:
    assert (
        run("""
        def body():
            ok = os.getppid() == supervisor and os.getpgrp() == os.getpid()
            os._exit(0 if ok else 1)

        supervisor = os.getpid()
        assert fork.fork_for(supervisor, report, {"it": body})
        print(ended(made()[1]).code)
    """).strip()
        == "0"
    )


def test_a_process_is_told_of_its_parents_death_even_if_that_was_before_it_could_ask() -> None:
    assert (
        run("""
        def body():
            wakeup = Wakeup(signal.SIGTERM)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os._exit(7 if wakeup.drain() == [signal.SIGTERM] else 1)

        assert fork.fork_for(999_999_999, report, {"it": body})  # not its parent, so that parent is gone
        print(ended(made()[1]).code)
    """).strip()
        == "7"
    )


def test_handlers_of_the_template_are_not_the_workers() -> None:
    assert (
        run("""
        signal.signal(signal.SIGTERM, lambda *_: print("inherited", flush=True))

        def body():
            fork.reset_signals()
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(1)

        assert fork.fork_for(os.getpid(), report, {"it": body})
        print(ended(made()[1]))
    """).strip()
        == "killed by SIGTERM"
    )


def test_an_exception_in_the_body_ends_only_the_new_process() -> None:
    assert (
        run("""
        def body():
            raise RuntimeError("boom")

        assert fork.fork_for(os.getpid(), report, {"it": body})
        print(ended(made()[1]).code)
    """).strip()
        == "1"
    )


def test_a_process_that_nobody_was_told_of_does_not_begin() -> None:
    """Its middle process is killed just before it names it."""
    assert (
        run("""
        def report(name, pid, fd):
            os.kill(os.getpid(), signal.SIGKILL)

        def body():
            print("began", flush=True)
            os._exit(0)

        print(fork.fork_for(os.getpid(), report, {"it": body}), os.wait()[1] >> 8, flush=True)
    """).strip()
        == "False 1"
    )


def test_several_are_made_by_one_fork_and_those_that_nobody_was_told_of_do_not_begin() -> None:
    """The middle process is killed just before it names the third of four."""
    assert run("""
        def report(name, pid, fd):
            if name == "third":
                os.kill(os.getpid(), signal.SIGKILL)
            outbox.send("spawned", fds=[fd], name=name, pid=pid)

        def body():
            os._exit(7)

        print(fork.fork_for(os.getpid(), report, dict.fromkeys(["first", "second", "third", "fourth"], body)))
        for message, [fd] in inbox.receive():
            print(message["name"], ended(fd).code)
        print(os.wait()[1] >> 8)
        try:
            os.wait()
        except ChildProcessError:
            print("no fourth")
    """).split() == ["False", "first", "7", "second", "7", "1", "no", "fourth"]


def test_the_end_of_one_worker_is_seen_at_once_although_another_was_forked_later() -> None:
    """No sibling holds a copy of its link: the end of the file comes with the death."""
    assert (
        run("""
        fds, links = [], []
        for _ in range(2):
            mine, its = pair()
            def body():
                mine.close()
                for link in links:
                    link.close()
                its.recv(1)
                os._exit(0)
            assert fork.fork_for(os.getpid(), report, {"it": body})
            its.close()
            links.append(mine)
            fds.append(made())
        os.kill(fds[0][0], signal.SIGKILL)
        begun = time.monotonic()
        assert links[0].recv(1) == b""
        print(time.monotonic() - begun < 1.0)
        links[1].close()
    """).strip()
        == "True"
    )


def test_strangers_are_reaped_without_touching_our_own() -> None:
    assert (
        run("""
        mine = os.fork()
        if mine == 0:
            os._exit(9)
        fd = os.pidfd_open(mine)
        select.select([fd], [], [])
        stranger = os.fork()
        if stranger == 0:
            os._exit(3)
        select.select([os.pidfd_open(stranger)], [], [])
        while not pidfd.reap_strangers({mine}):
            ours = pidfd.reap(fd)
        print(ours, end="; ")
        try:
            os.waitpid(stranger, 0)
        except ChildProcessError:
            print("nobody is left")
    """).strip()
        == "exit code 9; nobody is left"
    )
