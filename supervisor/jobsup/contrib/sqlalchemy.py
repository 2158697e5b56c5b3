"""Enqueueing with SQLAlchemy: after the commit of the session that the job is about."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction, scoped_session

from jobsup import client

_INFO = "jobsup.after_commit"


@contextlib.contextmanager
def after_commit(session: Session | scoped_session[Session]) -> Iterator[None]:
    """Within this block, what is enqueued is sent after the commit of *session*'s transaction.

    ::

        with Session(engine) as session:
            session.add(order)
            session.flush()
            with after_commit(session):
                jid = Receipt.perform_async(order.id)
            session.commit()

    The jid is known and the arguments are checked at once.  Rolled back or closed, savepoints included: never
    enqueued.  Outside a transaction, which a session begins with its first work: enqueued at once.

    When Redis does not answer after the commit, RedisUnavailable is raised by ``commit()``; the transaction stays
    committed, and the pushes that follow are tried all the same.  A client with ``reliable_push`` keeps them.

    Args:
        session: of an ``AsyncSession``, its ``sync_session``.
    """
    own = session() if isinstance(session, scoped_session) else session

    def defer(send: Callable[[], None]) -> None:
        current = own.get_nested_transaction() or own.get_transaction()
        if current is None:
            send()
        else:
            _waiting(own).add(current, send)

    with client.deferring(defer):
        yield


def _waiting(session: Session) -> _Waiting:
    waiting = session.info.get(_INFO)
    if not isinstance(waiting, _Waiting):
        waiting = session.info[_INFO] = _Waiting()
        event.listen(session, "after_commit", waiting.committed)
        event.listen(session, "after_transaction_end", waiting.ended)
    return waiting


class _Waiting:
    """What one session will send.

    1. add        behind the rest of its transaction or savepoint
    2. committed  a savepoint's part becomes its parent's; the outermost transaction's may be sent
    3. ended      send it, or forget it
    """

    def __init__(self) -> None:
        self._sends: dict[SessionTransaction, list[Callable[[], None]]] = {}
        self._committed: list[Callable[[], None]] = []

    def add(self, transaction: SessionTransaction, send: Callable[[], None]) -> None:
        self._sends.setdefault(transaction, []).append(send)

    def committed(self, session: Session) -> None:
        savepoint = session.get_nested_transaction()
        transaction = savepoint or session.get_transaction()
        if transaction is None:
            return
        sends = self._sends.pop(transaction, [])
        if savepoint is not None and savepoint.parent is not None:
            self._sends.setdefault(savepoint.parent, []).extend(sends)
        else:
            self._committed += sends

    def ended(self, session: Session, transaction: SessionTransaction) -> None:
        # Not in ``committed``: an exception there would leave the session in the middle of its commit.
        self._sends.pop(transaction, None)
        if transaction.parent is not None:
            return
        sends, self._committed = self._committed, []
        with contextlib.ExitStack() as stack:  # each is tried; the first error passes when all were
            for send in reversed(sends):
                stack.callback(send)
