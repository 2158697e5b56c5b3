"""Tiny roles that speak the link protocol and nothing else: no Redis, started in a moment.

``python -P standin.py ROLE FD…`` is what ``jobsup.assembly`` is in production.  What they shall do comes
from the environment (``STANDIN_*``) and from files in ``$STANDIN_DIR``, where they also leave traces.
"""

import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from jobsup.errors import RedisRefused
from jobsup.template import main as template_main
from jobsup.unix.link import Link
from jobsup.unix.wakeup import Wakeup

HOME = Path(os.environ.get("STANDIN_DIR", "."))


def note(*words):
    """Append one line to the trace; O_APPEND makes it whole."""
    with open(HOME / "trace", "a") as trace:
        trace.write(" ".join(map(str, words)) + "\n")


def keeper(link_fd, hold, _pulse):
    os.set_inheritable(hold, False)
    link = Link.from_fd(link_fd, blocking=True)
    while not link.closed:
        for message, _ in link.receive():
            match message["op"]:
                case "start":
                    note("keeper", "start", os.getpid(), "first" if message["first"] else "again")
                    for ended in message["ended"]:
                        note("keeper", "told-again", ended["identity"])
                        link.send("gave_back", identity=ended["identity"], jobs=0, seconds=0.0)
                    if (HOME / "keeper-crashes").exists():
                        os._exit(3)
                    if (HOME / "keeper-fatal").exists():
                        link.send("fatal", sentence="Redis does not answer at nowhere.", exit=69)
                        return 69
                    link.send("ready")
                case "ended":
                    death = message["death"] or {}
                    note("keeper", "ended", message["identity"], death.get("code"), death.get("signal"))
                    if not (HOME / "keeper-silent").exists():
                        link.send("gave_back", identity=message["identity"], jobs=0, seconds=0.0)
                case "stop":
                    note("keeper", "stop")
                    return 0
    return 0


def embedded(link_fd, hold):
    link = Link.from_fd(link_fd, blocking=True)
    while not link.closed:
        for message, _ in link.receive():
            if message["op"] == "start":
                note("embedded", "start", os.getpid())
                link.send("ready")
            elif message["op"] == "stop":
                note("embedded", "stop")
                return 0
    select.select([hold], [], [])
    note("embedded", "nobody-left")
    return 0


def load(require, base):
    note("template", "load", os.getpid(), base)
    if (HOME / "broken-code").exists():
        raise ImportError("no module named shop")


def run_worker(link, slot, profile, nonce, generation, app_loaded):
    """Ends at once when asked to drain, unless it is *busy*: then at its deadline, with exit code 75."""
    wakeup = Wakeup(signal.SIGTERM, signal.SIGUSR1)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    note("worker", "boot", os.getpid(), profile.name, generation)
    if (HOME / f"worker-crashes-{generation}").exists():
        os._exit(3)
    if (HOME / f"worker-hangs-{generation}").exists():
        select.select([wakeup], [], [])  # not pause(), which sleeps on when the signal came just before it
    if (HOME / "grandchild").exists() and os.fork() == 0:
        note("grandchild", os.getpid())
        time.sleep(60)
        os._exit(0)
    slot.set_state(1)
    slot.tick_main(time.monotonic())
    link.send("ready", identity="")
    until = float("inf")
    while True:
        readable, _, _ = select.select([link, wakeup], [], [], min(60, max(0, until - time.monotonic())))
        busy = (HOME / "busy").exists()
        if wakeup in readable and (arrived := wakeup.drain()):
            if signal.SIGUSR1 in arrived:  # as the Stop button of Sidekiq's Web
                link.send("draining", until=time.monotonic())
                link.send("drained", finished=0, given_back=[])
                return 0
            if not link.closed:
                note("worker", "sigterm", os.getpid())
        if link in readable:
            for message, _ in link.receive():
                note("worker", message["op"], os.getpid())
                if (HOME / "deaf").exists():
                    continue
                if message["op"] == "halt":
                    return 75
                if message["op"] == "quiet":
                    slot.set_state(2)
                if message["op"] == "drain":
                    until = message["begun"] + (max(profile.timeout, message["patience"]) if busy else 0)
                    link.send("draining", until=until)
            if link.closed:
                note("worker", "orphan", os.getpid())
                return 0
        if time.monotonic() >= until:
            link.send("drained", finished=1, given_back=[["jid", "Job"]] if busy else [])
            return 75 if busy else 0


def prepare(config):
    if (HOME / "refused").exists():
        raise RedisRefused("ssl_ca_certs names a file that cannot be read")
    return run_worker


def template(link_fd, hold):
    os.set_inheritable(hold, False)
    return template_main.run(link_fd, prepare, load)


def resolve(*_argv):
    print((HOME / "resolved.json").read_text())
    return 0


def parent(config_path):
    from jobsup.config.model import Config
    from jobsup.parent import restart, supervisor
    from jobsup.parent.loop import Commands

    if "STANDIN_NO_BACKOFF" in os.environ:
        restart.LONGEST_DELAY = 0.01
    me = (sys.executable, "-P", __file__)
    config = Config.load(json.loads(Path(config_path).read_text()))
    return supervisor.run(config, argv=["x"], cwd=os.getcwd(), commands=Commands(me, (*me, "resolve")))


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    function = {
        "keeper": keeper,
        "embedded": embedded,
        "template": template,
        "resolve": resolve,
        "parent": parent,
    }[role]
    sys.exit(function(*(int(a) if a.isdecimal() else a for a in arguments)))
