"""Starting the real command: good starts, and one sentence with the right exit code for every bad one."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import redis

from conftest import Server, eventually
from harness import Jobsup, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system


def refused(app: Jobsup, *extra: str) -> tuple[int, str]:
    """Exit code and what it said, of a start that must not succeed."""
    app.start(*extra, wait=False)
    code = app.wait()
    assert "Traceback" not in app.log()
    return code, app.log()


def test_two_profiles_run_in_pools_of_their_own(app: Jobsup, r: redis.Redis) -> None:
    app.profile("heavy", queues=["heavy"], processes=2, concurrency=1)
    app.profiles = ["main", "heavy"]
    app.start()
    push(r, "quick", 1)
    push(r, "quick", 2, queue="heavy")

    eventually(lambda: sorted(app.ended()) == ["1", "2"])
    assert len(app.workers("main")) == 1
    assert len(app.workers("heavy")) == 2
    assert len(app.children("template")) == 1, "profiles that import the same share one template"


def test_profiles_with_an_environment_of_their_own_get_it(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(
        "import os\nfrom jobsup import job\n"
        "@job\ndef say():\n    open(os.environ['LEDGER'], 'a').write(f\"end {os.environ['WHO']}\\n\")\n"
    )
    app.profile("main", env={"WHO": "main"})
    app.profile("heavy", queues=["heavy"], env={"WHO": "heavy"})
    app.profiles = ["main", "heavy"]
    app.start()
    push(r, "say")
    push(r, "say", queue="heavy")

    eventually(lambda: sorted(app.ended()) == ["heavy", "main"])


def test_without_preload_every_worker_imports_the_application_itself(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", preload=False)
    app.start()
    push(r, "quick", 1)

    eventually(lambda: app.ended() == ["1"])


@pytest.mark.parametrize("preload", [True, False])
def test_an_application_that_cannot_be_imported_stops_the_start_with_its_traceback(app: Jobsup, preload: bool) -> None:
    app.profile("main", preload=preload)
    app.jobs("import no_such_module_anywhere\n")
    app.start(wait=False)

    assert app.wait() == Exit.SOFTWARE
    assert "ModuleNotFoundError: No module named 'no_such_module_anywhere'" in app.log()
    assert app.log().count("Traceback") == 1


def test_a_required_file_that_does_not_exist_is_one_sentence(app: Jobsup) -> None:
    app.profile("main", require="./missing.py")
    code, said = refused(app)

    assert code == Exit.CONFIG
    assert "missing.py" in said


def test_a_required_module_that_does_not_exist_is_one_sentence(app: Jobsup) -> None:
    app.profile("main", require="no_such_module_anywhere")
    code, said = refused(app)

    assert code == Exit.SOFTWARE
    assert "no_such_module_anywhere" in said


def test_no_redis_is_one_sentence_that_says_what_to_do(app: Jobsup) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app.server = None
    code, said = refused(app, "--redis", f"redis://127.0.0.1:{port}/0")

    assert code == Exit.UNAVAILABLE
    assert "--embedded" in said
    assert "REDIS_URL" in said


def test_a_wrong_password_is_one_sentence_without_the_password(own_server: Server, tmp_path: Path) -> None:
    with own_server.client() as client:
        client.config_set("requirepass", "right")
    app = Jobsup(tmp_path, None)
    code, said = refused(app, "--redis", f"redis://:wr0ng@127.0.0.1:{own_server.port}/0")

    assert code == Exit.NO_PERMISSION
    assert "wr0ng" not in said


def test_the_password_is_not_to_be_seen_in_any_process(own_server: Server, tmp_path: Path) -> None:
    with own_server.client() as client:
        client.config_set("requirepass", "s3cret")
    app = Jobsup(tmp_path, None)
    app.environ = {"REDIS_URL": f"redis://:s3cret@127.0.0.1:{own_server.port}/0"}
    try:
        app.start("--verbose")
        for pid in [app.pid, *app.children("")]:
            assert "s3cret" not in Path(f"/proc/{pid}/cmdline").read_text()
        assert "s3cret" not in app.log() + app.ctl("status", "--json").stdout
    finally:
        app.tidy()


def answering(info: bytes) -> socket.socket:
    """A listener that speaks just enough Redis to say what it is: no server that old can be installed any more."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):  # closed at the end of the test
            while True:
                client, _ = listener.accept()
                while asked := client.recv(4096):
                    # One reply for each command; several may arrive at once.
                    commands = len(re.findall(rb"^\*\d+\r$", asked, re.MULTILINE))
                    reply = b"$%d\r\n%s\r\n" % (len(info), info) if b"INFO\r\n" in asked else b"+OK\r\n"
                    client.sendall(reply * commands)

    threading.Thread(target=serve, daemon=True).start()
    return listener


def test_a_redis_that_is_too_old_is_one_sentence(tmp_path: Path) -> None:
    app = Jobsup(tmp_path, None)
    with answering(b"# Server\r\nredis_version:5.0.14\r\n") as old:
        code, said = refused(app, "--redis", f"redis://127.0.0.1:{old.getsockname()[1]}/0")

    assert code == Exit.UNAVAILABLE
    assert "Redis 5.0.14, which is too old" in said


def test_a_redis_that_evicts_keys_is_warned_about(own_server: Server, tmp_path: Path) -> None:
    with own_server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    app = Jobsup(tmp_path, own_server)
    try:
        app.start()
        assert "noeviction" in app.log()
    finally:
        app.tidy()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"concurency": 3}, "concurrency"),
        ({"concurrency": 0}, "concurrency"),
        ({"timeout": -1}, "timeout"),
        ({"processes": 0}, "processes"),
        ({"queues": [""]}, "queue"),
    ],
)
def test_a_wrong_configuration_is_refused_before_anything_starts(
    app: Jobsup, settings: dict[str, object], word: str
) -> None:
    app.profile("main", **settings)
    code, said = refused(app)

    assert code == Exit.CONFIG
    assert word in said
    assert "started" not in said


def test_a_second_supervisor_on_the_same_socket_is_refused(app: Jobsup) -> None:
    app.start()
    second = Jobsup(app.directory, app.server)
    second.log_path = app.directory / "log2"
    code, said = refused(second)

    assert code == Exit.CANT_CREATE
    assert str(app.ctl_path) in said


def test_it_runs_without_any_standard_stream(app: Jobsup, r: redis.Redis) -> None:
    app.start(wait=False, wrapper=["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"])
    push(r, "quick", 1)

    eventually(lambda: app.ended() == ["1"], within=20)
    assert app.stop() == Exit.OK


def test_garbage_and_unknown_jobs_in_a_queue_harm_nobody(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    r.lpush("queue:default", b"\xff\xfe", "[]", '{"class":"os.system","args":["true"],"jid":"x1"}')
    push(r, "quick", 1)

    eventually(lambda: app.ended() == ["1"])
    eventually(lambda: (r.zcard("dead"), r.zcard("retry")) == (2, 1))
    assert set(r.zrange("dead", 0, -1)) == {b"\xff\xfe", b"[]"}


def test_a_queue_key_of_the_wrong_type_stops_only_that_queue(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", queues=["broken", "default"])
    r.set("queue:broken", "oops")
    app.start()
    push(r, "quick", 1)

    eventually(lambda: app.ended() == ["1"])
    assert app.log().count("not a list") == 1


def test_a_job_that_enqueues_a_job_means_the_redis_it_came_from(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(
        "import os\nfrom jobsup import job\n"
        "@job\ndef child(n):\n    open(os.environ['LEDGER'], 'a').write(f'end {n}\\n')\n"
        "@job\ndef parent(n):\n    child.perform_async(n)\n"
    )
    app.environ = {"REDIS_URL": "redis://127.0.0.1:1/0"}
    app.start()
    push(r, "parent", 7)

    eventually(lambda: app.ended() == ["7"])


def test_scheduled_jobs_run_when_they_are_due(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", average_scheduled_poll_interval=1)
    app.start()
    due = time.time() + 1.0
    r.zadd("schedule", {'{"class":"quick","args":[1],"jid":"s1","queue":"default"}': due})

    eventually(lambda: app.ended() == ["1"])
    assert float(app.lines()[0].split()[-1]) >= due


def test_the_embedded_server_keeps_its_jobs_over_stop_and_start(tmp_path: Path) -> None:
    app = Jobsup(tmp_path, None)
    state = f"--embedded={tmp_path / 'state'}"
    try:
        app.start(state)
        client = redis.Redis(unix_socket_path=str(tmp_path / "state" / "valkey.sock"))
        push(client, "quick", 1)
        eventually(lambda: app.ended() == ["1"])
        app.signal(signal.SIGTSTP)
        eventually(lambda: "Quiet" in app.log())
        push(client, "quick", 2)
        assert app.stop() == Exit.OK
        app.start(state)
        eventually(lambda: app.ended() == ["1", "2"])
        assert app.stop() == Exit.OK
    finally:
        app.tidy()


def test_a_refused_start_is_said_in_json_too_when_the_log_is_json(app: Jobsup) -> None:
    code, said = refused(app, "--log-format", "json", "--redis", "redis://127.0.0.1:1/0")

    records = [json.loads(line) for line in said.splitlines()]
    assert code == Exit.UNAVAILABLE
    assert any("--embedded" in record["msg"] for record in records if record["event"] == "start.refused")
