from __future__ import annotations

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import InteractionsSettings
from pipeline.data.interactions import read_interactions
from pipeline.data.sources import open_source
from pipeline.errors import ConfigError, DataError, MissingInputError

ROWS = {"user": [1, 2, 3], "item": ["a", "b", "c"]}


@pytest.fixture
def events(date):
    """All events of a file as lists: users, items, weights, timestamps."""

    def read(path, *, until=date, **options):
        settings = InteractionsSettings.model_validate({"path": str(path), "user": "user", "item": "item", **options})
        batches = list(read_interactions(open_source(settings, date=until), settings, date=until))
        return (
            [value for batch in batches for value in batch.users.to_pylist()],
            [value for batch in batches for value in batch.items.to_pylist()],
            [value for batch in batches for value in ([] if batch.weights is None else batch.weights.tolist())],
            [value for batch in batches for value in ([] if batch.timestamps is None else batch.timestamps.tolist())],
        )

    return read


def test_users_and_items_alone(write, events):
    assert events(write("a.parquet", ROWS)) == ([1, 2, 3], ["a", "b", "c"], [], [])


@pytest.mark.parametrize(
    "weights",
    [
        [1, 2, 3],
        pa.array([1, 2, 3], pa.uint8()),
        [1.0, 2.0, 3.0],
        pa.array([1, 2, 3], pa.float32()),
        [decimal.Decimal("1.00"), decimal.Decimal("2.00"), decimal.Decimal("3.00")],
    ],
)
def test_weights_of_any_type_of_number(write, events, weights):
    assert events(write("a.parquet", {**ROWS, "w": weights}), weight="w")[2] == [1.0, 2.0, 3.0]


def test_weights_of_text(write, events):
    path = write("a.csv", "user,item,w\n1,a,+1\n2,b, 2.5 \n3,c,1e3\n4,d,.5\n")
    assert events(path, weight="w")[2] == [1.0, 2.5, 1000.0, 0.5]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, None, None], "expected a weight, got null in 2 rows, the first: user = 2, item = 'b', w = None"),
        ([1.0, float("nan"), 1.0], "expected a number, got NaN in 1 row, the first: user = 2"),
        ([1.0, float("inf"), -float("inf")], "expected a finite number, got infinity in 2 rows"),
        ([0.0, 1.0, -1.0], "expected a number above zero, got zero or less in 2 rows, the first: user = 1"),
        ([1.0, 1e39, 1e-60], "expected a number within float32, got one beyond it in 2 rows, the first: user = 2"),
    ],
)
def test_weights_that_cannot_be_used(write, events, weights, message):
    with pytest.raises(DataError, match=rf"interactions: column 'w': {message}.*a\.parquet"):
        events(write("a.parquet", {**ROWS, "w": weights}), weight="w")


@pytest.mark.parametrize("weights", [["1", "2", "3"], [True, True, True]])
def test_weights_of_a_type_that_is_no_number(write, events, weights):
    with pytest.raises(DataError, match=r"a\.parquet: column 'w': expected numbers, got (string|bool)"):
        events(write("a.parquet", {**ROWS, "w": weights}), weight="w")


def test_all_that_is_wrong_is_told_at_once(write, events):
    path = write(
        "a.csv",
        "user,item,w,t\n1,a,x,5\n,b,1,5\n3,c,1,noon\n4,,nan,5\n5,e,,5\n6,f,-inf,5\n7,g,0x1,5\n8,h,1,5\n",
    )
    with pytest.raises(DataError) as caught:
        events(path, weight="w", timestamp="t", timestamp_unit="s")
    lines = [line.strip().split(" in ")[0] for line in str(caught.value).splitlines()]
    assert lines == [
        "interactions:",
        "column 't': expected a time that int64 can hold, got null or something else",
        "column 'user': expected an id, got null",
        "column 'item': expected an id, got null",
        "column 'w': expected a weight, got null",
        "column 'w': expected a number, got something else",
        "column 'w': expected a number, got NaN",
        "column 'w': expected a finite number, got infinity",
        "Repair the input, or leave the rows out with interactions.where.",
    ]
    assert "got something else in 2 rows, the first: user = '1', item = 'a', w = 'x', t = '5'" in str(caught.value)


def test_nulls_are_counted_over_all_files(write, events, tmp_path):
    for name in ("a", "b"):
        write(f"t/{name}.parquet", {"user": [1, None], "item": ["x", "y"]})
    with pytest.raises(DataError, match=r"column 'user': expected an id, got null in 2 rows, .*a\.parquet"):
        events(tmp_path / "t")


def test_what_the_filter_leaves_out_is_not_checked(write, events):
    path = write("a.parquet", {**ROWS, "w": [1.0, None, -1.0]})
    assert events(path, weight="w", where="w > 0")[0] == [1]


def test_what_lies_outside_the_window_is_not_checked(write, events):
    rows = {**ROWS, "w": [1.0, -1.0, -1.0], "t": ["2026-01-31T23:59:59.999999", "2026-02-01", "2026-01-29T23:59:59"]}
    path = write("a.parquet", rows)
    assert events(path, weight="w", timestamp="t", window_days=2)[0] == [1]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_events_after_the_date_are_never_read(write, events, name):
    times = ["2026-01-30T12:00:00", "2026-01-31T23:59:59", "2026-02-01T00:00:00"]
    if name == "a.csv":
        lines = [f"{user},x,{time}" for user, time in enumerate(times)]
        path = write(name, "\n".join(["user,item,t", *lines]) + "\n")
        ids = ["0", "1", "2"]
    else:
        path = write(name, {"user": [0, 1, 2], "item": ["x"] * 3, "t": pa.array(times).cast(pa.timestamp("us"))})
        ids = [0, 1, 2]
    assert events(path, timestamp="t")[0] == ids[:2]
    assert events(path, timestamp="t", window_days=1)[0] == ids[1:2]
    assert events(path, timestamp="t", until=datetime.date(2026, 1, 30))[0] == ids[:1]
    assert events(path, timestamp="t", until=datetime.date(2026, 1, 29))[0] == []


def test_a_time_zone_is_honoured(write, events):
    # Half past midnight in Paris is still the day before in UTC.
    times = pa.array([datetime.datetime(2026, 1, 31, 23, 30)] * 3, pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    path = write("a.parquet", {**ROWS, "t": times.cast(pa.timestamp("us", "Europe/Paris"))})
    assert len(events(path, timestamp="t")[0]) == 3
    assert events(path, timestamp="t", until=datetime.date(2026, 1, 30))[0] == []


def test_timestamps_that_cannot_be_read(write, events):
    path = write("a.parquet", {**ROWS, "t": ["2026-01-31", "2026-13-31", None]})
    message = "column 't': expected an ISO 8601 date or time, got null or something else in 2 rows, the first: user = 2"
    with pytest.raises(DataError, match=message):
        events(path, timestamp="t")
    with pytest.raises(ConfigError, match="timestamp_unit"):
        events(write("b.parquet", {**ROWS, "t": [1, 2, 3]}), timestamp="t")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1.0, 2.0, 3.0], "expected integers or strings, got double"),
        ([True, False, True], "expected integers or strings, got bool"),
        ([b"1", b"2", b"3"], "expected integers or strings, got binary"),
        (pa.array([1, 2, 2**63], pa.uint64()), f"expected integers within int64.*, got {2**63}"),
    ],
)
def test_ids_of_a_type_that_cannot_be_kept(write, events, ids, message):
    with pytest.raises(DataError, match=rf"a\.parquet: column 'user': {message}"):
        events(write("a.parquet", {**ROWS, "user": ids}))


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([1, 2, 3], pa.int8()), [1, 2, 3]),
        (pa.array([1, 2, 2**63 - 1], pa.uint64()), [1, 2, 2**63 - 1]),
        (pa.array(["1", "b", "c"], pa.large_string()), ["1", "b", "c"]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
    ],
)
def test_ids_keep_their_kind(write, events, ids, expected):
    assert events(write("a.parquet", {**ROWS, "user": ids}))[0] == expected


def test_a_missing_column_is_named(write, events):
    with pytest.raises(MissingInputError, match="there is no column 'wieght'; there are: weight"):
        events(write("a.parquet", {**ROWS, "weight": [1, 2, 3]}), weight="wieght")


def test_a_row_filter_may_look_at_columns_that_are_not_read(write, events):
    path = write("a.parquet", {**ROWS, "country": ["se", "no", None], "n": [1, 2, 3]})
    assert events(path, where='country in ["se", "no"] and n >= 2')[0] == [2]


def test_weights_come_as_float32(write, date):
    settings = InteractionsSettings.model_validate(
        {"path": str(write("a.parquet", {**ROWS, "w": [1, 2, 3]})), "user": "user", "item": "item", "weight": "w"}
    )
    (batch,) = read_interactions(open_source(settings, date=date), settings, date=date)
    assert batch.weights.dtype == np.float32
    assert len(batch) == 3
