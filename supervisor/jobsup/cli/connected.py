"""A client for one command, and a sentence with the cure when there is no server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from jobsup.config import redis_url
from jobsup.errors import RedisRefused, RedisUnavailable
from jobsup.store.connection import Client, connect


@contextmanager
def connected(url: str) -> Iterator[Client]:
    """A client of the server that *url* names.

    Raises:
        click.UsageError: it names none.
        RedisUnavailable: nobody answers there; the sentence says what to do.
    """
    try:
        client = connect(url)
    except RedisRefused as error:
        raise click.UsageError(str(error)) from error
    with client:
        try:
            yield client
        except RedisUnavailable as error:
            raise RedisUnavailable(redis_url.unanswered(url, error)) from error
