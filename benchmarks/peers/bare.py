"""What the server, the socket and Python allow when nothing else is done: the limit that the others are compared with.

No product: a loop on one connection with the parser and packer that everybody's client uses, which runs no job and
promises nothing.  Payloads are jobsup's, byte for byte as long.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

import hiredis

from benchmarks.peers import work

VARIANTS = {
    "take 20": "a script call removes what the last one took, one by one (LREM), and takes 20 (RPOP n, one LPUSH)",
    "take 100": "the same with 100",
    "take 500": "the same with 500",
    "delete 100": "the same with 100, but removes all of them at once (DEL)",
    "blmove": "a blocking move; then the stamp",
    "threads": "no server: as many threads as slots that run the job again and again",
}
SETTLE = {
    "take": 'for i = 2, #ARGV do redis.call("LREM", KEYS[2], -1, ARGV[i]) end',
    "delete": 'redis.call("DEL", KEYS[2])',
}
TAKE = """
local taken = redis.call("RPOP", KEYS[1], ARGV[1])
if not taken then return {} end
redis.call("LPUSH", KEYS[2], unpack(taken))
return taken
"""
JID = "0123456789abcdef01234567"


class Connection:
    """One command, one reply."""

    def __init__(self) -> None:
        self._socket = socket.create_connection((work.HOST, work.PORT))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()

    def call(self, *command: Any) -> Any:
        self._socket.sendall(hiredis.pack_command(command))
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(1 << 17))
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply


connection: list[Connection] = []


def payload(kind: str, value: Any, queue: str) -> bytes:
    job = {"retry": True, "queue": queue, "class": "run", "args": [kind, value], "jid": JID}
    times = {"created_at": 1796000000000, "enqueued_at": 1796000000000}
    return json.dumps(job | times, separators=(",", ":")).encode()


def push(kind: str, value: Any, queue: str) -> None:
    bulk(kind, [value], queue)


def bulk(kind: str, values: Sequence[Any], queue: str) -> None:
    if not connection:
        connection.append(Connection())
    # All the same but for series: building payloads is no part of the limit.
    known = payload(kind, values[0], queue)
    connection[0].call("LPUSH", f"queue:{queue}", *[known] * len(values))


def commands() -> list[list[str]]:
    return [[sys.executable, "-m", __name__]] * work.PROCESSES


def take(settle: str, batch: int) -> None:
    redis, taken = Connection(), []
    sha = redis.call("SCRIPT", "LOAD", SETTLE[settle] + TAKE)
    keys = [f"queue:{work.QUEUES[0]}", f"inflight:{threading.get_native_id()}"]
    while True:
        settled = taken if settle == "take" else []
        taken = redis.call("EVALSHA", sha, 2, *keys, batch, *settled)
        work.BOARD.count(len(taken))


def blmove() -> None:
    redis = Connection()
    queue = work.QUEUES[0]
    while True:
        taken = redis.call("BLMOVE", f"queue:{queue}", "inflight", "RIGHT", "LEFT", 0)
        work.run(*json.loads(taken)["args"])
        redis.call("LREM", "inflight", -1, taken)


def threads() -> None:
    redis = Connection()
    job = json.loads(redis.call("LINDEX", f"queue:{work.QUEUES[0]}", 0))["args"]

    def again() -> None:
        while True:
            work.run(*job)

    for _ in range(work.SLOTS):
        threading.Thread(target=again).start()


def main() -> None:
    if work.VARIANT == "blmove":
        blmove()
    elif work.VARIANT == "threads":
        threads()
    else:
        settle, batch = work.VARIANT.split()
        take(settle, int(batch))


if __name__ == "__main__":
    main()
