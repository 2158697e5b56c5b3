"""What the parent tells the keeper through shared memory."""

from collections.abc import Iterator

import pytest

from jobsup.unix import pulse
from jobsup.unix.pulse import Facts, Pool, Pulse


@pytest.fixture
def writer() -> Iterator[Pulse]:
    yield (made := Pulse.create())
    made.close()


def test_a_pulse_is_read_as_it_was_written_through_any_copy_of_its_descriptor(writer: Pulse) -> None:
    reader = Pulse(writer.fd)
    assert reader.read() == Facts()
    assert reader.pools("main") == {}

    facts = Facts(12.5, started=True, stopping=True, able=3, failed=1)
    main, heavy = Pool(*range(1, 13)), Pool(busy=7, processed=1 << 40)
    writer.beat(facts, {"main": main, "heavy": heavy})

    assert reader.read() == facts
    assert reader.pools("heavy", "main", "nobody") == {"heavy": heavy, "main": main}


def test_a_pool_keeps_its_entry_whoever_comes_and_goes(writer: Pulse) -> None:
    writer.beat(Facts(1.0), {"main": Pool(busy=1), "old": Pool(busy=2)})
    writer.beat(Facts(2.0), {"new": Pool(busy=3), "main": Pool(busy=4)})

    assert writer.pools("main", "old", "new") == {"main": Pool(busy=4), "old": Pool(busy=2), "new": Pool(busy=3)}


def test_the_pools_that_find_no_room_are_not_told_of(writer: Pulse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "_MOST_POOLS", 2)
    names = {name: Pool(busy=1) for name in ("a", "b", "c")}
    writer.beat(Facts(1.0), names)
    writer.beat(Facts(2.0), names)

    assert [*writer.pools(*names)] == ["a", "b"]


@pytest.mark.parametrize("name", ["größer", "x" * 255, "x" * 255 + ".quarantine", "bad \udcff name"])
def test_a_pool_is_found_by_whatever_name_a_file_can_have(writer: Pulse, name: str) -> None:
    writer.beat(Facts(1.0), {name: Pool(busy=1), "x" * 254: Pool(busy=2)})

    assert writer.pools(name) == {name: Pool(busy=1)}
