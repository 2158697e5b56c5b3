"""A connection of our own on a real server."""

from __future__ import annotations

import pytest

from conftest import Server
from jobsup.errors import RedisUnavailable
from jobsup.store.channel import Channel
from jobsup.store.connection import connect


def test_a_client_opens_channels_again_and_again_as_long_as_it_closes_them(server: Server):
    client = connect(server.url)
    for _ in range(150):
        channel = Channel(client)
        channel.open()
        channel.close()


def test_a_channel_that_nobody_answers_is_unavailable_however_often_it_was_tried(own_server: Server):
    client = connect(own_server.url)
    own_server.kill()
    for _ in range(150):
        with pytest.raises(RedisUnavailable):
            Channel(client).open()
