"""The ERB that Sidekiq's configuration files really contain: reading the environment, with defaults.

Grammar of what may stand in ``<%= … %>``::

    expression = term { "||" term }
    term       = value { ".to_i" }
    value      = string | number | "nil" | "true" | "false" | "(" expression ")"
               | "ENV" "[" expression "]"
               | "ENV" ".fetch" "(" expression [ "," expression ] ")" [ "{" expression "}" ]
               | "Integer" "(" expression ")"

``<%# … %>`` is a comment, ``<%%`` a literal ``<%``, and ``-%>`` swallows the line's end, as in Ruby.
Anything else is refused: this is not Ruby, and pretending would be worse.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool | None
_Lookup: TypeAlias = Mapping[str, str]
_Thunk: TypeAlias = Callable[[_Lookup], Value]

_TAG = re.compile(r"<%%|<%(?P<kind>[=#-]?)(?P<code>.*?)(?P<trim>-?)%>(?P<newline>\n?)", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>-?\d[\d_]*(?:\.\d+)?)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark>\|\||[\[\](){},.])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "0": "\0", "e": "\x1b"}
_LITERALS: dict[str, Value] = {"nil": None, "true": True, "false": False}
_MAX_NESTING = 50
"""Parentheses and blocks; a bound, so that a hostile file cannot exhaust the stack."""


class ErbError(ValueError):
    """The message is one sentence without values of the environment; *line* counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text after ERB.

    Attributes:
        lines: for each line of *text*, the line of the source that it came from.
    """

    text: str
    lines: tuple[int, ...]


def render(source: str, environ: _Lookup) -> Rendered:
    """Evaluate every tag of *source* and splice the results in as text, as ERB does.

    Raises:
        ErbError: Ruby beyond the grammar above, or a variable without a default that is not set.
    """
    out: list[str] = []
    lines = [1]
    line = 1
    position = 0

    def emit(text: str, *, from_source: bool) -> None:
        nonlocal line
        out.append(text)
        for _ in range(text.count("\n")):
            line += from_source
            lines.append(line)

    for tag in _TAG.finditer(source):
        emit(source[position : tag.start()], from_source=True)
        position = tag.end()
        if tag[0] == "<%%":
            emit("<%", from_source=False)
            continue
        if tag["kind"] == "=":
            emit(_text(_evaluate(tag["code"], environ, line)), from_source=False)
        elif tag["kind"] != "#" and tag["code"].strip() and not tag["code"].lstrip().startswith("#"):
            raise _unsupported(line, tag["code"])
        line += tag["code"].count("\n")
        if tag["newline"] and not tag["trim"]:
            emit("\n", from_source=True)
        elif tag["newline"]:
            line += 1
            if not out or out[-1] == "" or out[-1].endswith("\n"):
                lines[-1] = line  # nothing of this output line has been written yet
    rest = source[position:]
    if (opened := rest.find("<%")) >= 0:
        raise ErbError(line + rest.count("\n", 0, opened), "'<%' is never closed; add '%>'")
    emit(rest, from_source=True)
    return Rendered("".join(out), tuple(lines))


def _text(value: Value) -> str:
    """Ruby's ``to_s``."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _to_i(value: Value) -> int:
    """Ruby's ``to_i``: the digits at the beginning, else 0."""
    if isinstance(value, str):
        found = re.match(r"\s*([+-]?\d{1,18})", value.replace("_", ""), re.ASCII)
        return int(found[1]) if found else 0
    return int(value or 0)


def _unsupported(line: int, code: str) -> ErbError:
    shown = " ".join(code.split())
    return ErbError(
        line,
        f"this Ruby cannot be evaluated here: {shown[:60]!r}; "
        'use ENV["X"], ENV.fetch("X", default), ||, .to_i or a plain value',
    )


def _evaluate(code: str, environ: _Lookup, line: int) -> Value:
    return _Parser(code, line).thunk()(environ)


class _Parser:
    """Recursive descent; yields a thunk, so that a default is evaluated only where Ruby would."""

    def __init__(self, code: str, line: int) -> None:
        self._code, self._line = code, line
        self._depth = 0
        self._tokens: list[tuple[str, str]] = []
        position = 0
        code = code.rstrip()
        while position < len(code):
            found = _TOKEN.match(code, position)
            if found is None or found.lastgroup is None:
                raise self._refuse()
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        self._tokens.reverse()

    def thunk(self) -> _Thunk:
        parsed = self._expression()
        if self._tokens:
            raise self._refuse()
        return parsed

    def _refuse(self) -> ErbError:
        return _unsupported(self._line, self._code)

    def _take(self) -> tuple[str, str]:
        if not self._tokens:
            raise self._refuse()
        return self._tokens.pop()

    def _next_is(self, mark: str) -> bool:
        """Whether the next token is *mark*, which is then taken."""
        if self._tokens and self._tokens[-1][1] == mark and self._tokens[-1][0] != "string":
            self._tokens.pop()
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._next_is(mark):
            raise self._refuse()

    def _expression(self) -> _Thunk:
        self._depth += 1
        if self._depth > _MAX_NESTING:
            raise self._refuse()
        terms = [self._term()]
        while self._next_is("||"):
            terms.append(self._term())
        self._depth -= 1
        if len(terms) == 1:
            return terms[0]

        def first_truthy(environ: _Lookup) -> Value:
            value: Value = None
            for term in terms:
                value = term(environ)
                if value is not None and value is not False:  # Ruby: "" and 0 are true
                    break
            return value

        return first_truthy

    def _term(self) -> _Thunk:
        parsed = self._value()
        while self._next_is("."):
            self._expect("to_i")
            parsed = _then(_to_i, parsed)
        return parsed

    def _value(self) -> _Thunk:
        kind, text = self._take()
        if kind == "string":
            string = self._string(text)
            return lambda _environ: string
        if kind == "number":
            number = float(text.replace("_", "")) if "." in text else int(text.replace("_", "")[:19])
            return lambda _environ: number
        if text in _LITERALS:
            return lambda _environ: _LITERALS[text]
        if text == "(":
            return self._closed(")")
        if text == "ENV":
            return self._env()
        if text == "Integer" and self._next_is("("):
            return self._integer(self._closed(")"))
        raise self._refuse()

    def _closed(self, mark: str) -> _Thunk:
        parsed = self._expression()
        self._expect(mark)
        return parsed

    def _string(self, quoted: str) -> str:
        body = quoted[1:-1]
        if quoted[0] == "'":
            return re.sub(r"\\(['\\])", r"\1", body)
        if re.search(r"(?<!\\)#[{$@]", body):
            raise self._refuse()  # interpolation
        return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), body, flags=re.DOTALL)

    def _env(self) -> _Thunk:
        if self._next_is("["):
            name = self._closed("]")
            return lambda environ: environ.get(self._name(name(environ)))
        self._expect(".")
        self._expect("fetch")
        self._expect("(")
        name = self._expression()
        default = self._expression() if self._next_is(",") else None
        self._expect(")")
        if self._next_is("{"):
            default = self._closed("}")

        def fetch(environ: _Lookup) -> Value:
            variable = self._name(name(environ))
            if variable in environ:
                return environ[variable]
            if default is None:
                raise ErbError(self._line, f"the variable {variable} is not set; set it or give a default")
            return default(environ)

        return fetch

    def _name(self, value: Value) -> str:
        if not isinstance(value, str):
            raise ErbError(self._line, "the name of an environment variable must be a string")
        return value

    def _integer(self, argument: _Thunk) -> _Thunk:
        def integer(environ: _Lookup) -> Value:
            value = argument(environ)
            try:
                return int(value if value is not None else "")
            except ValueError:
                shown = " ".join(self._code.split())
                raise ErbError(self._line, f"{shown[:60]!r} is not given a whole number") from None

        return integer


def _then(function: Callable[[Value], Value], inner: _Thunk) -> _Thunk:
    return lambda environ: function(inner(environ))
