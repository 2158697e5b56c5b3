"""ERB as configuration files contain it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsup.config.erb import ErbError, render


def rendered(source: str, **environ: str) -> str:
    return render(source, environ).text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('<%= ENV["X"] %>', "7"),
        ("<%= ENV['X'] %>", "7"),
        ('<%= ENV["MISSING"] %>', ""),
        ('<%= ENV.fetch("X", 5) %>', "7"),
        ('<%= ENV.fetch("MISSING", 5) %>', "5"),
        ('<%= ENV.fetch("MISSING", "a b") %>', "a b"),
        ("<%= ENV.fetch('MISSING') { 5 } %>", "5"),
        ("<%= ENV.fetch('X'){5} %>", "7"),
        ('<%= ENV["MISSING"] || 10 %>', "10"),
        ('<%= ENV["X"] || ENV.fetch("MISSING") %>', "7"),
        ('<%= ENV["MISSING"] || ENV["ALSO"] || "last" %>', "last"),
        ('<%= ENV["EMPTY"] || 10 %>', ""),
        ('<%= ENV.fetch("X", 5).to_i %>', "7"),
        ('<%= (ENV["MISSING"] || "12 threads").to_i %>', "12"),
        ('<%= ENV["MISSING"].to_i %>', "0"),
        ('<%= ENV["WORD"].to_i %>', "0"),
        ('<%= Integer(ENV.fetch("X")) %>', "7"),
        ('<%= ENV.fetch("MISSING", ENV.fetch("X")) %>', "7"),
        ('<%= ENV.fetch("X") { ENV.fetch("MISSING") } %>', "7"),
        ("<%= nil %><%= true %>", "true"),
        ("a<%# ENV['X'] is a comment %>b", "ab"),
        ("a<%= 1 -%>\nb", "a1b"),
        ("a<%= 1 %>\nb", "a1\nb"),
        ("<%% literal", "<% literal"),
        (r"""<%= 'it\'s' %> <%= "a\"b\tc" %>""", "it's a\"b\tc"),
    ],
)
def test_the_erb_of_real_files_reads_as_ruby_reads_it(source: str, text: str) -> None:
    assert rendered(source, X="7", EMPTY="", WORD="many") == text


@pytest.mark.parametrize(
    "code",
    [
        "= `id`", '= system("id")', '= File.read("/etc/passwd")', '= ENV["X"].upcase', '= "#{ENV["X"]}"', "= ",
        "if true", '= ENV.fetch "X"', "= [1]", "= 1 +", "= ENV.to_h", '= ENV["X"', "= " + "(" * 5000 + "1" + ")" * 5000,
    ],
)  # fmt: skip
def test_other_ruby_is_an_error_that_names_the_line(code: str) -> None:
    with pytest.raises(ErbError, match="Ruby cannot be evaluated here") as caught:
        rendered(f"a: 1\nb: 2\nc: <%{code} %>\n", X="secret")

    assert caught.value.line == 3
    assert "secret" not in str(caught.value)


def test_a_variable_without_default_that_is_not_set_is_named() -> None:
    with pytest.raises(ErbError, match="variable REDIS_HOST is not set"):
        rendered('<%= ENV.fetch("REDIS_HOST") %>')


def test_an_integer_that_is_none_is_refused_without_showing_the_value() -> None:
    with pytest.raises(ErbError, match="whole number") as caught:
        rendered('<%= Integer(ENV["X"]) %>', X="hunter2")

    assert "hunter2" not in str(caught.value)


def test_a_tag_that_is_never_closed_names_its_line() -> None:
    with pytest.raises(ErbError, match="never closed") as caught:
        rendered("a: 1\nb: <%= 1\n")

    assert caught.value.line == 2


@given(st.text(alphabet=st.characters(exclude_characters="<"), max_size=200))
def test_text_without_tags_is_left_as_it_is(text: str) -> None:
    assert rendered(text) == text


@given(st.text(max_size=200))
def test_whatever_the_text_there_is_a_result_or_one_error_with_a_line(text: str) -> None:
    try:
        result = render(text, {})
        outcome = len(result.lines) == result.text.count("\n") + 1
    except ErbError as error:
        outcome = 1 <= error.line <= text.count("\n") + 1

    assert outcome


@given(st.text(alphabet="ENV.fetch[](){}|\"'X_ ,to_i5%>-#=<\n", max_size=60))
def test_pieces_of_ruby_never_end_in_anything_but_a_result_or_an_erb_error(code: str) -> None:
    try:
        render(f"<%= {code} %>", {"X": "1"})
    except ErbError:
        pass


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_value_is_spliced_in_byte_for_byte_and_never_evaluated_again(value: str) -> None:
    assert rendered("[<%= ENV['X'] %>]", X=value) == f"[{value}]"


@given(st.lists(st.sampled_from(["plain\n", "<%# note %>\n", "<%# note -%>\n", "<%= ENV['X'] %>\n", "<%#\n%>\n"])))
def test_lines_after_erb_are_traced_back_to_the_file(pieces: list[str]) -> None:
    source = "".join(pieces) + "mark"

    result = render(source, {"X": "one\ntwo"})

    assert result.lines[-1] == source.count("\n") + 1
