"""Enqueueing with Django: after the commit of the transaction that the job is about."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from django.db import transaction

from jobsup import client


@contextlib.contextmanager
def after_commit(using: str | None = None) -> Iterator[None]:
    """Within this block, what is enqueued is sent after the commit of the current transaction.

    ::

        with transaction.atomic():
            order = Order.objects.create(...)
            with after_commit():
                jid = Receipt.perform_async(order.id)

    The jid is known and the arguments are checked at once.  Rolled back, savepoints included: never enqueued.
    Outside a transaction: enqueued at once.  As a decorator, ``@after_commit()``, it covers a function.

    When Redis does not answer after the commit, RedisUnavailable passes through the end of the transaction, which
    stays committed, and Django calls no further hook: use a client with ``reliable_push``.

    Args:
        using: the name of the database; None for the default one.
    """

    def defer(send: Callable[[], None]) -> None:
        transaction.on_commit(send, using=using)

    with client.deferring(defer):
        yield
