from __future__ import annotations

import contextlib
import decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.source import typed_columns
from pipeline.data.where import column_in_filter, parse_where
from pipeline.errors import ConfigError

TABLE = pa.table(
    {
        "n": [1, 2, 3],
        "s": ["x", None, "it's"],
        "f": [0.5, None, 2.0],
        "b": [True, False, None],
        "t": pa.array([0, 10**6, 2 * 10**6], pa.timestamp("us")),
        "tz": pa.array([0, 10**9, 2 * 10**9], pa.timestamp("ns", "Europe/Paris")),
        "d": pa.array([0, 1, 2], pa.int32()).cast(pa.date32()),
        "dict": pa.array(["p", "q", "p"]).dictionary_encode(),
        "dec": [decimal.Decimal("1.50"), decimal.Decimal("2.00"), None],
        "u": pa.array([1, 2**63, 2**64 - 1], pa.uint64()),
        "odd name": [1, 2, 3],
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n >= 2", [2, 3]),
        ("n == -1 or n==+3", [3]),
        ("1 < n <= 2", [2]),
        ("3 > n > 1", [2]),
        ("f < n", [1, 3]),
        ("n in [1, 3]", [1, 3]),
        ("n not in [1, 3]", [2]),
        ("not n in [1, 3]", [2]),
        ("s == 'x'", [1]),
        ('s == "it\\\'s"', [3]),
        ("s == 'it\\'s'", [3]),
        ("s != 'x'", [3]),
        ("s not in ['x']", [3]),
        ("not s == 'x'", [3]),
        ("s is null", [2]),
        ("s is not null and n < 3", [1]),
        ("b", [1]),
        ("not b", [2]),
        ("b == false", [2]),
        ("f < 1 or b == true", [1]),
        ("n == 1 or n == 2 and f is null", [1, 2]),
        ("(n == 1 or n == 2) and f is null", [2]),
        ("not (n == 1 or n == 2)", [3]),
        ("not not n == 1", [1]),
        ("n < 1.5e0", [1]),
        ("t >= '1970-01-01T00:00:01'", [2, 3]),
        ("t > '1970-01-01T01:00:01+01:00'", [3]),
        ("tz >= '1970-01-01 00:00:01'", [2, 3]),
        ("tz == '1970-01-01T01:00:01+01:00'", [2]),
        ("d > '1970-01-02'", [3]),
        ("d in ['1970-01-02', '1970-01-03']", [2, 3]),
        ("t == d", [1]),
        ("dict == 'p'", [1, 3]),
        ("dict in ['q', 'z']", [2]),
        ("dec >= 1.75", [2]),
        ("dec in [1, 2]", [2]),
        ("u > 1", [2, 3]),
        ("u in [1, 2]", [1]),
        ("`odd name` == 3", [3]),
        ("n == 1", [1]),
        ("n == 1 AND s IS NOT NULL", [1]),
    ],
)
def test_rows_that_hold(text, expected):
    where = parse_where(text)
    assert TABLE.filter(where.expression(typed_columns(TABLE.schema)))["n"].to_pylist() == expected


def test_columns_are_named_once_each():
    assert parse_where("b > 1 and a == 'b' and (`c d` is null or b < a)").columns == ("b", "a", "c d")


@pytest.mark.parametrize("name", ["n", "Größe", "a b", " ", "7", "not", "NULL", "`", "a`b", "``", "a``", "`n` > 1"])
def test_any_column_can_be_named(name):
    where = parse_where(f"{column_in_filter(name)} > 1")
    assert where.columns == (name,)
    table = pa.table({name: [1, 2]})
    assert table.filter(where.expression(typed_columns(table.schema)))[name].to_pylist() == [2]
    assert (column_in_filter(name) == name) == (name in ("n", "Größe"))


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("", "expected a column or a value, got the end", 1),
        ("n = 3", "cannot read '='; an equality is written ==", 3),
        ("n ==", "expected a column or a value, got the end", 5),
        ("(n == 1", r"expected '\)', got the end", 8),
        ("n == 1 2", "expected and, or, or the end, got '2'", 8),
        ("n == 1 and", "expected a column or a value, got the end", 11),
        ("n is 3", "expected 'null', got '3'", 6),
        ("n in (1, 2)", r"expected '\[', got '\('", 6),
        ("n in []", "expected a column or a value, got ']'", 7),
        ("n in [s]", "expected a column or a value, got 's'", 7),
        ("n not 3", "expected 'in', got '3'", 7),
        ("n % 2 == 1", "cannot read '%'", 3),
        ("3", "expected a comparison, got the end", 2),
        ("null == n", "expected a column or a value, got 'null'", 1),
        ("s == 'x", 'cannot read "\'"', 6),
        ("n == 99999999999999999999", "expected an integer within int64", 6),
    ],
)
def test_mistakes_are_pointed_at(text, message, position):
    with pytest.raises(ConfigError, match=rf"interactions\.where: {message}.*, at position {position}:"):
        parse_where(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n == 'x'", "expected a value that compares with int64, got 'x', at position 6"),
        ("s > 3", "expected a value that compares with string, got 3"),
        ("t == 5", r"expected a value that compares with timestamp\[us\], got 5"),
        ("t == 'tomorrow'", "expected an ISO 8601 date or time, got 'tomorrow'"),
        ("n == s", "int64 and string cannot be compared"),
        ("n", "expected a comparison or booleans, got int64"),
        ("b == 1", "expected a value that compares with bool, got 1"),
        ("n in [1, 'x']", "expected a value that compares with int64, got 'x', at position 10"),
    ],
)
def test_what_cannot_be_compared(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_where(text).expression(typed_columns(TABLE.schema))


@given(st.text("abn1.5 \"'`\\()[],<>=!-\n", max_size=40) | st.text(max_size=20))
def test_any_text_is_parsed_or_refused(text):
    with contextlib.suppress(ConfigError):
        assert parse_where(text).columns is not None
