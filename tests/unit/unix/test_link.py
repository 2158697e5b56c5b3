import os
from collections.abc import Iterator

import pytest

from jobsup.unix.link import Link, pair


@pytest.fixture
def ends() -> Iterator[tuple[Link, Link]]:
    left, right = pair()
    ends = Link(left, blocking=False), Link(right, blocking=False)
    yield ends
    for end in ends:
        end.close()


def test_messages_arrive_whole_and_in_order(ends: tuple[Link, Link]) -> None:
    ends[0].send("one", text="line\nbreak")
    ends[0].send("two")

    assert ends[1].receive() == [({"op": "one", "text": "line\nbreak"}, []), ({"op": "two"}, [])]


def test_descriptors_may_be_closed_right_after_they_were_sent_and_arrive_close_on_exec(
    ends: tuple[Link, Link],
) -> None:
    reader, writer = os.pipe()
    ends[0].send("take", fds=[reader])
    os.close(reader)

    [(_, [arrived])] = ends[1].receive()
    os.write(writer, b"x")
    assert os.read(arrived, 1) == b"x"
    assert not os.get_inheritable(arrived)
    os.close(arrived)
    os.close(writer)


def test_a_blocking_end_waits_for_something_and_takes_all_that_has_arrived() -> None:
    """One read of the socket ends behind each message with descriptors: three asked for at once come at once."""
    reader, writer = os.pipe()
    ours, theirs = pair()
    waiting, asking = Link(ours, blocking=True), Link(theirs, blocking=False)
    for name in ("a", "b", "c"):
        asking.send("spawn", fds=[reader, writer], name=name)

    arrived = waiting.receive()

    assert [message["name"] for message, _ in arrived] == ["a", "b", "c"]
    for fd in (reader, writer, *(fd for _, fds in arrived for fd in fds)):
        os.close(fd)
    for end in (waiting, asking):
        end.close()


def test_what_the_socket_does_not_take_waits_until_the_peer_reads(ends: tuple[Link, Link]) -> None:
    text = "x" * 2_000_000
    ends[0].send("big", text=text)
    assert ends[0].pending

    found = []
    while not found:
        found = ends[1].receive()
        ends[0].flush()
    assert found[0][0]["text"] == text
    assert not ends[0].pending


def test_a_peer_that_never_reads_is_given_up_instead_of_growing_for_it(ends: tuple[Link, Link]) -> None:
    for _ in range(5):
        ends[0].send("big", text="x" * 1_000_000)

    assert ends[0].closed


def test_the_death_of_the_peer_is_the_end_after_its_last_words(ends: tuple[Link, Link]) -> None:
    ends[1].send("bye")
    ends[1].close()

    assert ends[0].receive() == [({"op": "bye"}, [])]
    assert ends[0].closed
    ends[0].send("hello?")  # to the dead, nothing happens


@pytest.mark.parametrize(
    "line", [b"[1]\n", b"{}\n", b"\xff\n", b'{"op":"x","fds":3}\n', b'{"op":"x","fds":"a"}\n', b"[" * 100_000 + b"\n"]
)
def test_what_is_no_message_is_an_error(line: bytes) -> None:
    left, right = pair()
    link = Link(right, blocking=False)
    left.send(line)

    with pytest.raises(ValueError):  # noqa: PT011  json has sentences of its own
        link.receive()
    left.close()
    link.close()
