from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.source import typed_columns
from pipeline.data.timestamps import Timestamps, Window, WindowCondition, microseconds
from pipeline.errors import ConfigError, DataError

UTC = datetime.UTC
NOON = datetime.datetime(2026, 1, 31, 12, tzinfo=UTC)
NOON_S = 1_769_860_800
NOON_US = NOON_S * 10**6


def read(array, unit=None, *, text=False):
    return Timestamps("ts", unit, text=text).read(array)


def test_microseconds_of_an_instant():
    assert microseconds(NOON) == NOON_US
    assert microseconds(datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


@pytest.mark.parametrize(
    ("array", "unit"),
    [
        (pa.array([NOON_S]), "s"),
        (pa.array([NOON_S], pa.int32()), "s"),
        (pa.array([NOON_S], pa.uint32()), "s"),
        (pa.array([NOON_S * 10**3]), "ms"),
        (pa.array([NOON_US], pa.uint64()), "us"),
        (pa.array([NOON_S * 10**9 + 999]), "ns"),
        (pa.array([NOON_S], pa.timestamp("s")), None),
        (pa.array([NOON_S * 10**3], pa.timestamp("ms", "America/New_York")), None),
        (pa.array([NOON_US], pa.timestamp("us", "UTC")), None),
        (pa.array([NOON_S * 10**9 + 999], pa.timestamp("ns", "Asia/Kolkata")), None),
        (pa.array([NOON_US], pa.timestamp("us")).dictionary_encode(), None),
        (pa.array(["2026-01-31T12:00:00Z"]), None),
        (pa.array(["2026-01-31 12:00"], pa.large_string()), None),
        (pa.array(["2026-01-31T12:00:00"]).dictionary_encode(), None),
        (pa.array([" 2026-01-31T13:30:00.000000+01:30 "]), None),
        (pa.array(["2026-01-31T12:00:00.000000999"]), None),
        (pa.array(["20260131T120000Z"]), None),
    ],
)
def test_every_way_to_write_noon(array, unit):
    times, readable = read(array, unit)
    assert (times.dtype, times.tolist(), readable.tolist()) == (np.int64, [NOON_US], [True])


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_a_date_is_its_midnight_in_utc(kind):
    times, _ = read(pa.array([datetime.date(2026, 1, 31), datetime.date(1969, 12, 31)], kind))
    assert times.tolist() == [NOON_US - 12 * 3_600 * 10**6, -86_400 * 10**6]


def test_forms_may_be_mixed():
    times, readable = read(pa.array(["2026-01-31T12:00:00", "2026-01-31T12:00:00Z", "20260131T12"]))
    assert times.tolist() == [NOON_US] * 3
    assert readable.all()


def test_integers_of_a_text_file_need_digits():
    times, readable = read(pa.array([f" {NOON_S}", "+5", "x", None, "1.5", "9" * 19]), "s", text=True)
    assert readable.tolist() == [True, True, False, False, False, False]
    assert times[:2].tolist() == [NOON_US, 5 * 10**6]


@pytest.mark.parametrize(
    ("array", "unit"),
    [
        (pa.array(["2026-02-30", "yesterday", None, "", "2026-01-31"]), None),
        (pa.array([None, None, None, None, NOON_US], pa.timestamp("us")), None),
        (pa.array([2**62, -(2**63), None, 2**63 // 10**6 + 1, 1]), "s"),
        (pa.array([2**63, 2**64 - 1, None, 2**63, 1], pa.uint64()), "us"),
    ],
)
def test_what_is_no_time_is_marked(array, unit):
    _, readable = read(array, unit)
    assert readable.tolist() == [False, False, False, False, True]


@pytest.mark.parametrize("array", [pa.array([NOON_S]), pa.array([str(NOON_S)])])
def test_integers_need_a_unit(array):
    with pytest.raises(ConfigError, match=r"interactions\.timestamp_unit: column 'ts' holds integers"):
        read(array)


@pytest.mark.parametrize(
    "array", [pa.array([NOON_US], pa.timestamp("us")), pa.array([0], pa.int32()).cast(pa.date32()), pa.array(["x"])]
)
def test_a_unit_needs_integers(array):
    with pytest.raises(ConfigError, match="expected integers in column 'ts', got"):
        read(array, "s")


@pytest.mark.parametrize("array", [pa.array([1.5]), pa.array([True]), pa.array([1], pa.time64("us"))])
def test_types_that_tell_no_time(array):
    with pytest.raises(DataError, match="column 'ts': expected timestamps, dates, integers or ISO 8601 strings, got"):
        read(array)


def test_the_window_ends_with_the_day_and_has_so_many_days():
    window = Window.until(datetime.date(2026, 1, 31), 2)
    day = 86_400 * 10**6
    midnight = NOON_US - day // 2
    times = np.array([midnight - day - 1, midnight - day, midnight, midnight + day - 1, midnight + day])
    assert window.contains(times).tolist() == [False, True, True, True, False]
    assert Window.until(datetime.date(2026, 1, 31), None).contains(times).tolist() == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("kind", "unit", "per_second"),
    [
        (pa.int64(), "s", 1),
        (pa.int32(), "s", 1),
        (pa.uint32(), "s", 1),
        (pa.int64(), "ns", 10**9),
        (pa.timestamp("ms"), None, 10**3),
        (pa.timestamp("us", "Europe/Paris"), None, 10**6),
        (pa.date32(), None, None),
    ],
)
def test_the_window_as_a_condition_keeps_null_and_what_lies_in_it(kind, unit, per_second):
    window = Window.until(datetime.date(2026, 1, 31), 2)
    days = [datetime.datetime(2026, 1, 29, tzinfo=UTC) + datetime.timedelta(days=day) for day in range(4)]
    values = [day.date() if per_second is None else int(day.timestamp()) * per_second for day in days]
    table = pa.table({"ts": pa.array([*values, None], kind), "row": range(5)})
    condition = WindowCondition(Timestamps("ts", unit, text=False), window)
    kept = table.filter(condition.expression(typed_columns(table.schema)))
    assert kept["row"].to_pylist() == [1, 2, 4]


def test_a_bound_the_type_cannot_hold_leaves_everything_in():
    table = pa.table({"ts": pa.array([1, 2], pa.int32())})
    condition = WindowCondition(Timestamps("ts", "ms", text=False), Window.until(datetime.date(2026, 1, 31), 2))
    assert table.filter(condition.expression(typed_columns(table.schema))).num_rows == 2
