"""When a capsule that is told to be quiet may say that nothing more can come in."""

from __future__ import annotations

import redis

from conftest import Server
from jobsup.config.model import Capsule
from jobsup.events import Events
from jobsup.store import scripts
from jobsup.store.connection import connect
from jobsup.worker.counters import Counters
from jobsup.worker.fetch import Fetcher
from jobsup.worker.inbox import Inbox, Outbox
from jobsup.worker.lease import Lease, Outage
from jobsup.worker.measures import Measures
from jobsup.worker.outcome import Succeeded
from jobsup.worker.settle import DeadLimits

ME = "host:1:aaaaaaaaaaaa"


def test_nothing_in_hand_is_no_leave_to_go_while_a_reply_under_way_may_bring_a_job(server: Server, r: redis.Redis):
    inbox, events, lease = Inbox(), Events(), Lease()
    outbox = Outbox(inbox.size)
    scripts.register(scripts.runner(connect(server.url)), ME, lease=15, queues='["a"]', place="", pid=1, start="1")
    lease.confirmed(lease._now())
    turns = 0
    could_go: list[bool] = []

    def turning() -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            fetcher.quiet()  # asked for when the second turn has been decided on and not yet been answered

    fetcher = Fetcher(
        client=connect(server.url),
        identity=ME,
        capsule=Capsule("default", 1, (("a", 0),)),
        limits=DeadLimits(10_000, 15_552_000),
        inbox=inbox,
        outbox=outbox,
        lease=lease,
        outage=Outage(events),
        counters=Counters(),
        measures=Measures(),
        events=events,
        isolated=False,
        tick=lambda now: None,
        on_work=turning,
        on_settled=lambda: could_go.append(not fetcher.taking and not fetcher.hand),
    )
    r.lpush("queue:a", b'{"class":"A","args":[],"jid":"1"}', b'{"class":"A","args":[],"jid":"2"}')
    fetcher._step()
    outbox.put(inbox.get(), Succeeded())
    fetcher._step()
    assert len(fetcher.hand) == 1
    assert could_go == [False]

    for _ in range(2):
        fetcher._step()
    assert could_go[-1]
    assert r.lrange("queue:a", 0, -1) == [b'{"class":"A","args":[],"jid":"2"}']
    fetcher.close()
    fetcher.run()
