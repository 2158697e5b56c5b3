"""YAML with Ruby's symbols, and the line of every key."""

import pytest

from jobsup.config.document import DocumentError, parse


def test_symbols_are_read_in_blocks_and_in_brackets_and_json_stays_json() -> None:
    entries = parse(':a: :b\nlist: [:low, 2, [:x, 1]]\nmap: {"a":b, :c: :d, e: ":f"}\n', {})

    assert {key: entry.value for key, entry in entries.items()} == {
        "a": "b",
        "list": ["low", 2, ["x", 1]],
        "map": {"a": "b", "c": "d", "e": ":f"},
    }


def test_every_key_knows_its_line_in_the_file_even_below_erb() -> None:
    entries = parse("<%# note -%>\na: 1\nb:\n  c: <%= ENV['X'] %>\n  d: 2\n", {"X": "1"})

    assert (entries["a"].line, entries["b"].line) == (2, 3)
    assert entries["b"].inner is not None
    assert [(key, entry.line) for key, entry in entries["b"].inner.items()] == [("c", 4), ("d", 5)]


@pytest.mark.parametrize("empty", ["", "\n", "# nothing\n", "---\n"])
def test_an_empty_file_is_all_defaults(empty: str) -> None:
    assert parse(empty, {}) == {}


def test_a_character_that_yaml_forbids_is_one_sentence() -> None:
    with pytest.raises(DocumentError, match="a character that YAML does not allow"):
        parse("a: \x00", {})


def test_aliases_that_multiply_cost_nothing() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 30))

    assert len(parse(f"l0: &l0 [x]\n{levels}", {})) == 30


@pytest.mark.parametrize(
    ("source", "line", "first"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1),
        (":a: 1\na: 3\n", 2, 1),
        ("production:\n  x: 1\nproduction:\n  y: 1\n", 3, 1),
        ("production:\n  a: 1\n  a: 2\n", 3, 2),
        ("capsules:\n  one:\n    queues: [a]\n    queues: [b]\n", 4, 3),
    ],
)
def test_a_key_given_twice_is_refused_with_both_lines(source: str, line: int, first: int) -> None:
    with pytest.raises(DocumentError, match=f"stands on line {first} already") as caught:
        parse(source, {})

    assert caught.value.line == line


def test_a_key_may_repeat_what_a_merge_brings() -> None:
    entries = parse("base: &base {a: 1, b: 2}\nproduction:\n  <<: *base\n  a: 3\n", {})

    assert entries["production"].value == {"a": 3, "b": 2}


@pytest.mark.parametrize("end", ["\r", "\x85", "\u2028", "\u2029"])
def test_what_only_yaml_takes_for_the_end_of_a_line_does_not_move_the_lines(end: str) -> None:
    with pytest.raises(DocumentError, match="must hold 'key: value' lines") as caught:
        parse(f"{end}{end}0", {})
    assert caught.value.line == 1

    entries = parse(f"# a{end}# b{end}# c\nqueues: [a]\n", {})
    assert entries["queues"].line == 2
