"""TLS, ACL users, passwords that stay secret, and a control socket that asks who calls."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from tls import Authority, Door

from conftest import Server, eventually
from harness import Jobsup, inflight, push
from jobsup.client import Client
from jobsup.errors import RedisRefused
from jobsup.exits import Exit
from jobsup.middleware.chain import Chain
from scraped import scrape

SECRET = "hunter2-never-shown"
DOCS = Path(__file__).parents[2] / "docs" / "security.md"


@pytest.fixture
def jobsup(tmp_path: Path) -> Iterator[Jobsup]:
    jobsup = Jobsup(tmp_path, None)
    yield jobsup
    jobsup.tidy()


def said(*arguments: str, directory: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobsup", *arguments]
    return subprocess.run(
        command,
        cwd=directory,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# -- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def door(server: Server, authority: Authority) -> Iterator[Door]:
    door = Door(server.port, authority.issue("redis", "127.0.0.1"))
    yield door
    door.close()


def test_jobs_run_over_tls_and_are_pushed_over_it(
    server: Server, jobsup: Jobsup, door: Door, authority: Authority
) -> None:
    url = f"rediss://127.0.0.1:{door.port}/0?ssl_ca_certs={authority.path}"
    jobsup.profile("main", queues=[f"q{n}" for n in range(26)])  # blocking moves, and the doorbell of the last two
    jobsup.start("--redis", url)
    client = Client(url, middleware=Chain())
    for count, queue in enumerate(("q0", "q25", "q0"), start=1):
        client.push({"class": "quick", "args": [queue], "queue": queue})
        eventually(lambda count=count: len(jobsup.ended()) == count)
    client.push_bulk({"class": "quick", "args": [[n] for n in range(200)], "queue": "q1"})

    eventually(lambda: len(jobsup.ended()) == 203)
    assert jobsup.stop() == Exit.OK
    assert "Redis is away" not in jobsup.log()
    with server.client() as r:
        assert inflight(r) == 0


def test_a_certificate_that_nobody_vouches_for_stops_the_start_with_one_sentence(jobsup: Jobsup, door: Door) -> None:
    jobsup.start("--redis", f"rediss://:{SECRET}@127.0.0.1:{door.port}/0", wait=False)

    assert jobsup.wait() == Exit.UNAVAILABLE
    assert "its certificate is not accepted" in jobsup.log()
    assert "name its authority with ?ssl_ca_certs=FILE" in jobsup.log()
    assert "Traceback" not in jobsup.log()
    assert SECRET not in jobsup.log()


def test_a_certificate_for_another_host_is_refused(server: Server, authority: Authority) -> None:
    door = Door(server.port, authority.issue("other", "192.0.2.1"))

    with pytest.raises(RedisRefused, match="IP address mismatch"):
        Client(f"rediss://127.0.0.1:{door.port}/0?ssl_ca_certs={authority.path}").push({"class": "X", "args": []})
    door.close()


def test_a_server_that_asks_for_a_certificate_gets_the_clients(server: Server, authority: Authority) -> None:
    door = Door(server.port, authority.issue("redis", "127.0.0.1"), clients=authority.path)
    certificate, key = authority.issue("client")
    base = f"rediss://127.0.0.1:{door.port}/0?ssl_ca_certs={authority.path}"

    assert Client(f"{base}&ssl_certfile={certificate}&ssl_keyfile={key}").push({"class": "X", "args": []})
    door.close()


# -- ACL


def users(tmp_path: Path) -> Path:
    """The users of docs/security.md, as an ACL file."""
    lines = re.findall(r"^user .*$", DOCS.read_text(), re.MULTILINE)
    assert len(lines) == 2
    admin = "user default on nopass ~* &* +@all"
    path = tmp_path / "users.acl"
    path.write_text("\n".join([admin, *(line.replace(">change-me", f">{SECRET}") for line in lines)]) + "\n")
    return path


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start("--aclfile", str(users(tmp_path)))
    yield server
    server.kill()


def url(server: Server, user: str, password: str = SECRET) -> str:
    return f"redis://{user}:{password}@127.0.0.1:{server.port}/0"


def test_the_documented_users_can_do_all_that_is_needed_and_nothing_is_denied(
    guarded: Server, jobsup: Jobsup, address: str
) -> None:
    jobsup.profile("main", queues=[f"q{n}" for n in range(26)])
    jobsup.start("--redis", url(guarded, "jobsup"), "--health", address)
    enqueuer = Client(url(guarded, "enqueuer"), middleware=Chain())
    for name, queue in (("quick", "q0"), ("Boom", "q1"), ("Fatal", "q25"), ("unknown", "q2")):
        enqueuer.push({"class": name, "args": [1] if name == "quick" else [], "queue": queue, "retry": name != "Fatal"})
    enqueuer.push({"class": "quick", "args": [2], "queue": "q3", "at": 1.0})
    with guarded.client() as r:
        push(r, "nap", 3, 30, queue="q4")
        eventually(lambda: r.zcard("retry") == 2 and {"1", "2"} <= set(jobsup.ended()))
        eventually(lambda: "3" in jobsup.started())
        os.kill(jobsup.workers()[0], signal.SIGKILL)
        eventually(lambda: jobsup.started().count("3") == 2)
        assert jobsup.ctl("reload", "--wait").returncode == 0
        assert said("stats", "--redis", url(guarded, "jobsup"), directory=jobsup.directory).returncode == 0
        eventually(lambda: ("jobsup_queue_size", "q25") in scrape(address))
        jobsup.signal(signal.SIGQUIT)
        jobsup.wait()

        assert r.acl_log() == []
        assert inflight(r) == 0
        assert SECRET not in jobsup.log()


def test_the_enqueuer_can_neither_read_jobs_nor_anything_else(guarded: Server) -> None:
    with guarded.client() as r:
        r.auth(SECRET, "enqueuer")
        for command in (("LRANGE", "queue:default", 0, -1), ("GET", "x"), ("EVAL", "return 1", 0), ("FLUSHALL",)):
            with pytest.raises(redis.exceptions.NoPermissionError):
                r.execute_command(*command)


# -- secrets


def test_no_run_however_it_ends_shows_the_password(guarded: Server, jobsup: Jobsup) -> None:
    jobsup.start("--redis", url(guarded, "jobsup"), "-v")
    everyone = [psutil.Process(jobsup.pid), *psutil.Process(jobsup.pid).children(recursive=True)]
    shown = [" ".join(process.cmdline()) + process.name() for process in everyone]
    with guarded.client() as r:
        push(r, "Fatal", retry=0)
        eventually(lambda: r.zcard("dead") == 1)
        shown += [str(jobsup.status()), str(r.zrange("dead", 0, -1)), str(r.keys("*"))]
        r.acl_setuser("jobsup", enabled=True, passwords=["+other"], reset_passwords=True)
        r.client_kill_filter(_type="normal", skipme=True)
        eventually(lambda: "Redis is away" in jobsup.log())
    jobsup.signal(signal.SIGTTIN)
    os.kill(jobsup.workers()[0], signal.SIGABRT)
    eventually(lambda: "crashed" in jobsup.log())
    jobsup.signal(signal.SIGTERM)
    jobsup.wait()

    wrong = said("-C", "main.yml", "--redis", url(guarded, "jobsup"), directory=jobsup.directory)
    assert wrong.returncode == Exit.NO_PERMISSION
    nobody = f"redis://:{SECRET}@127.0.0.1:1/0"
    for command in (("-C", "main.yml"), ("check", "-C", "main.yml"), ("stats",), ("enqueue", "X")):
        done = said(*command, directory=jobsup.directory, REDIS_URL=nobody)
        assert "Traceback" not in done.stderr
        shown += [done.stdout, done.stderr]
    shown += [wrong.stdout, wrong.stderr, jobsup.log()]
    assert not [text for text in shown if SECRET in text]


def test_a_reload_does_not_spell_out_the_command_line_that_holds_the_password(guarded: Server, jobsup: Jobsup) -> None:
    jobsup.start("--redis", url(guarded, "jobsup"))
    (jobsup.directory / "main.yml").unlink()
    os.mkfifo(jobsup.directory / "main.yml")  # whoever reads the configuration waits here, to be looked at
    jobsup.signal(signal.SIGHUP)
    eventually(lambda: len(jobsup.children("cli.resolve")) == 1)
    (reader,) = jobsup.children("cli.resolve")

    assert SECRET not in " ".join(psutil.Process(reader).cmdline())
    psutil.Process(reader).kill()


def test_a_rotated_password_takes_effect_with_a_reload_and_no_job_notices(guarded: Server, jobsup: Jobsup) -> None:
    secret = jobsup.directory / "redis_url"
    secret.write_text(url(guarded, "jobsup") + "\n")
    jobsup.profile("main", redis_file="redis_url", timeout=20)
    jobsup.start()
    keeper = jobsup.children("keeper")
    with guarded.client() as r:
        push(r, "nap", 1, 1.0)
        eventually(lambda: jobsup.started() == ["1"])
        r.acl_setuser("jobsup", enabled=True, passwords=["+" + SECRET + "-2"])
        secret.write_text(url(guarded, "jobsup", SECRET + "-2"))
        (old,) = jobsup.workers()
        assert jobsup.ctl("reload", "--wait").returncode == 0
        eventually(lambda: old not in jobsup.workers())  # with its last job
        r.acl_setuser("jobsup", enabled=True, passwords=["-" + SECRET])
        r.client_kill_filter(_type="normal", skipme=True)
        push(r, "quick", 2)
        eventually(lambda: jobsup.ended() == ["1", "2"])
        r.zadd("schedule", {b'{"class":"quick","args":[3],"queue":"default"}': 1})
        eventually(lambda: "3" in jobsup.ended())  # moved by the keeper, which has the new password too

    assert jobsup.started() == ["1"]
    assert jobsup.children("keeper") == keeper
    assert jobsup.stop() == Exit.OK
    assert SECRET not in jobsup.log()


def test_the_credential_that_systemd_hands_over_is_used(guarded: Server, jobsup: Jobsup) -> None:
    credentials = jobsup.directory / "credentials"
    credentials.mkdir()
    (credentials / "redis_url").write_text(url(guarded, "jobsup"))
    jobsup.environ["CREDENTIALS_DIRECTORY"] = str(credentials)
    jobsup.start()
    with guarded.client() as r:
        push(r, "quick", 1)
        eventually(lambda: jobsup.ended() == ["1"])
    environments = [process.environ() for process in psutil.Process(jobsup.pid).children(recursive=True)]

    assert not [value for environ in environments for value in environ.values() if SECRET in value]


# -- the control socket, and what a payload can reach


def test_the_control_socket_is_private(server: Server, jobsup: Jobsup) -> None:
    jobsup.start("--redis", server.url)

    assert jobsup.ctl_path.stat().st_mode & 0o777 == 0o600


def test_a_payload_can_name_only_declared_jobs(server: Server, jobsup: Jobsup) -> None:
    jobsup.start("--redis", server.url)
    with server.client() as r:
        for name in ("os.system", "app_jobs.note", "subprocess.Popen", "__builtins__.exec", "jobsup.Job"):
            push(r, name, "touch owned")
        eventually(lambda: r.zcard("retry") == 5)

    assert not (jobsup.directory / "owned").exists()


def test_a_payload_beyond_the_limits_is_buried_unread_and_the_queue_goes_on(server: Server, jobsup: Jobsup) -> None:
    jobsup.profile("main", max_payload_bytes=2048)
    jobsup.start("--redis", server.url)
    with server.client() as r:
        push(r, "quick", "x" * 4096)
        big = r.lindex("queue:default", 0)
        push(r, "quick", 1)
        eventually(lambda: jobsup.ended() == ["1"] and r.zcard("dead") == 1)

        assert big is None or r.zrange("dead", 0, -1) == [big]
        assert jobsup.log().count("larger than 2048 bytes (max_payload_bytes)") == 1
