"""The row filter of ``[interactions] where``: a small language of comparisons, like Python's.

::

    condition  = conjunction ("or" conjunction)*
    conjunction = negation ("and" negation)*
    negation   = "not" negation | predicate
    predicate  = operand (("==" | "!=" | "<" | "<=" | ">" | ">=") operand)*     chains as in Python
               | operand ["not"] "in" "[" literal ("," literal)* "]"
               | operand "is" ["not"] "null"
               | column                                                        of booleans
               | "(" condition ")"
    operand    = column | literal
    literal    = number | string | "true" | "false"

A column is a name, or anything between backticks, where two stand for one. A string is in single or double quotes, and
a backslash in it takes the next character as it is. Strings compare with dates and times where the column holds those.
As in SQL, a comparison with null is neither true nor false, and a row is read only where the whole is true.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.conditions import Column
from pipeline.data.timestamps import parse_iso
from pipeline.errors import ConfigError

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | `(?P<quoted>(?:[^`]|``)+)`
      | (?P<word>[^\W\d]\w*)
      | (?P<symbol><=|>=|==|!=|[<>()\[\],])
    )""",
    re.VERBOSE,
)
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "null", "true", "false"})
_COMPARISONS: dict[str, Callable[[pc.Expression, pc.Expression], pc.Expression]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_Scalar = bool | int | float | str
_Columns = Mapping[str, Column]


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


class _Operand(NamedTuple):
    """A column, by name, or a literal."""

    column: str | None
    value: _Scalar
    position: int


@dataclass(frozen=True)
class Where:
    """A parsed row filter; see :func:`parse_where`."""

    text: str
    columns: tuple[str, ...]
    _build: Callable[[_Columns], pc.Expression]

    def expression(self, columns: _Columns) -> pc.Expression:
        """The filter over columns of these types.

        Raises
        ------
        ConfigError
            If it compares what cannot be compared, such as a number with a string.
        """
        return self._build(columns)


def column_in_filter(name: str) -> str:
    """The name of a column as a row filter takes it: between backticks, unless it is a word and no keyword."""
    if re.fullmatch(r"[^\W\d]\w*", name) and name.lower() not in _KEYWORDS:
        return name
    return f"`{name.replace('`', '``')}`"


def parse_where(text: str) -> Where:
    """Parse a row filter.

    Raises
    ------
    ConfigError
        If it is not in the language; the message points at the place.
    """
    parser = _Parser(text)
    build = parser.condition()
    parser.expect_end()
    return Where(text, tuple(dict.fromkeys(parser.columns)), build)


_Build = Callable[[_Columns], pc.Expression]


class _Parser:
    """Recursive descent, one method for each rule of the grammar; each gives what builds the expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0
        self.columns: list[str] = []

    def condition(self) -> _Build:
        return self._joined(self._conjunction, "or", operator.or_)

    def _conjunction(self) -> _Build:
        return self._joined(self._negation, "and", operator.and_)

    def _joined(
        self, part: Callable[[], _Build], word: str, join: Callable[[pc.Expression, pc.Expression], pc.Expression]
    ) -> _Build:
        parts = [part()]
        while self._take(word):
            parts.append(part())
        return lambda columns: functools.reduce(join, (build(columns) for build in parts))

    def _negation(self) -> _Build:
        if self._take("not"):
            inner = self._negation()
            return lambda columns: ~inner(columns)
        if self._take("("):
            inner = self.condition()
            self._require(")")
            return inner
        return self._predicate()

    def _predicate(self) -> _Build:
        first = self._operand()
        if self._take("is"):
            return self._null_test(first)
        if self._take("in"):
            return self._membership(first)
        if self._take("not"):
            self._require("in")
            member = self._membership(first)
            return lambda columns: ~member(columns)
        return self._chain(first)

    def _null_test(self, operand: _Operand) -> _Build:
        negated = self._take("not")
        self._require("null")
        if negated:
            return lambda columns: _typed(operand, columns).is_valid()
        return lambda columns: _typed(operand, columns).is_null()

    def _membership(self, operand: _Operand) -> _Build:
        self._require("[")
        literals = [self._literal()]
        while self._take(","):
            literals.append(self._literal())
        self._require("]")

        def build(columns: _Columns) -> pc.Expression:
            kind = None if operand.column is None else columns[operand.column].type
            values = [_scalar(literal, kind, self._text) for literal in literals]
            # Not isin, for which null is simply not in the list, and so would be "not in" it.
            return functools.reduce(operator.or_, (_typed(operand, columns) == pc.scalar(value) for value in values))

        return build

    def _chain(self, first: _Operand) -> _Build:
        links: list[tuple[_Operand, str, _Operand]] = []
        left = first
        while (token := self._peek()).kind == "symbol" and token.text in _COMPARISONS:
            self._next += 1
            right = self._operand()
            links.append((left, token.text, right))
            left = right
        if not links:
            return self._truth(first)

        def build(columns: _Columns) -> pc.Expression:
            return functools.reduce(operator.and_, (self._compare(*link, columns) for link in links))

        return build

    def _truth(self, operand: _Operand) -> _Build:
        """A column of booleans by itself."""
        if operand.column is None:
            raise self._unexpected("a comparison")
        name = operand.column

        def build(columns: _Columns) -> pc.Expression:
            if not pa.types.is_boolean(columns[name].type):
                raise _mistake(
                    self._text, operand.position, f"expected a comparison or booleans, got {columns[name].type}"
                )
            return columns[name].values

        return build

    def _compare(self, left: _Operand, comparison: str, right: _Operand, columns: _Columns) -> pc.Expression:
        kinds = [None if side.column is None else columns[side.column].type for side in (left, right)]
        sides = [
            columns[side.column].values if side.column is not None else pc.scalar(_scalar(side, other, self._text))
            for side, other in ((left, kinds[1]), (right, kinds[0]))
        ]
        if None not in kinds and _family(kinds[0]) != _family(kinds[1]):
            raise _mistake(self._text, right.position, f"{kinds[0]} and {kinds[1]} cannot be compared")
        return _COMPARISONS[comparison](*sides)

    def _operand(self) -> _Operand:
        token = self._peek()
        if token.kind == "quoted" or (token.kind == "word" and token.text.lower() not in _KEYWORDS):
            self._next += 1
            name = token.text.replace("``", "`") if token.kind == "quoted" else token.text
            self.columns.append(name)
            return _Operand(name, False, token.position)
        return self._literal()

    def _literal(self) -> _Operand:
        token = self._peek()
        value: _Scalar
        if token.kind == "number":
            value = self._number(token)
        elif token.kind == "string":
            value = re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
        elif token.kind == "word" and token.text.lower() in ("true", "false"):
            value = token.text.lower() == "true"
        else:
            raise self._unexpected("a column or a value")
        self._next += 1
        return _Operand(None, value, token.position)

    def _number(self, token: _Token) -> int | float:
        if re.search(r"[.eE]", token.text):
            return float(token.text)
        value = int(token.text)
        if not -(2**63) <= value < 2**63:
            raise _mistake(self._text, token.position, f"expected an integer within int64, got {value}")
        return value

    def expect_end(self) -> None:
        if self._peek().kind != "end":
            raise self._unexpected("and, or, or the end")

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, text: str) -> bool:
        token = self._peek()
        found = token.kind in ("word", "symbol") and token.text.lower() == text
        self._next += found
        return found

    def _require(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected(repr(text))

    def _unexpected(self, expected: str) -> ConfigError:
        token = self._peek()
        came = "the end" if token.kind == "end" else repr(token.text)
        return _mistake(self._text, token.position, f"expected {expected}, got {came}")


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            hint = "; an equality is written ==" if text[start] == "=" else ""
            raise _mistake(text, start, f"cannot read {text[start]!r}{hint}")
        kind = str(match.lastgroup)
        yield _Token(kind, match[kind], match.start(kind))
        position = match.end()
    yield _Token("end", "", len(text))


def _typed(operand: _Operand, columns: _Columns) -> pc.Expression:
    return pc.scalar(operand.value) if operand.column is None else columns[operand.column].values


def _scalar(literal: _Operand, kind: pa.DataType | None, text: str) -> pa.Scalar:
    """The literal as it compares with a column of this type."""
    value = literal.value
    if kind is None:
        return pa.scalar(value)
    if isinstance(value, str) and _family(kind) == "time":
        instant, readable = parse_iso(pa.array([value]))
        if not readable[0]:
            raise _mistake(text, literal.position, f"expected an ISO 8601 date or time, got {value!r}")
        return pa.scalar(int(instant[0]), pa.timestamp("us", kind.tz if pa.types.is_timestamp(kind) else None))
    if _family(pa.scalar(value).type) != _family(kind):
        raise _mistake(text, literal.position, f"expected a value that compares with {kind}, got {value!r}")
    if pa.types.is_decimal(kind):
        return pa.scalar(float(value))  # Arrow has no comparison of every decimal with an integer
    if pa.types.is_uint64(kind) and isinstance(value, int) and value >= 0:
        return pa.scalar(value, kind)  # an int64 would bring the column to int64
    return pa.scalar(value)


def _family(kind: pa.DataType) -> str:
    """Types of one family can be compared."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        return "string"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "time"
    return str(kind)


def _mistake(text: str, position: int, message: str) -> ConfigError:
    return ConfigError(
        f"interactions.where: {message}, at position {position + 1}:\n  {text}\n  {' ' * position}^",
        hint='Such as: plays >= 2 and country in ["se", "no"]',
    )
