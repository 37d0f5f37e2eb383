"""Times of events: whatever a column holds, in microseconds since 1970-01-01 UTC."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.data.conditions import Column

Microseconds = NDArray[np.int64]
Mask = NDArray[np.bool_]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_INTEGER = re.compile(r"[+-]?\d+")
_MAX_INT64 = 2**63 - 1


def microseconds(instant: datetime.datetime) -> int:
    """Microseconds since 1970-01-01 UTC of an instant with a time zone."""
    return (instant - _EPOCH) // datetime.timedelta(microseconds=1)


@dataclass(frozen=True)
class Timestamps:
    """How the times of one column are read.

    Attributes
    ----------
    column
        Its name.
    unit
        Unit of integers; None where the column holds no integers.
    text
        Whether the column comes as text from a file without types.
    """

    column: str
    unit: str | None
    text: bool

    def read(self, array: pa.Array) -> tuple[Microseconds, Mask]:
        """Convert a column.

        Returns
        -------
        int64 microseconds since 1970-01-01 UTC, and where there is a time at all: false for null, for what is no
        ISO 8601 time, and for what int64 cannot hold. Dates are their midnight; what has no time zone is UTC.

        Raises
        ------
        ConfigError
            If the column holds integers and no unit is set, or a unit is set and it holds none.
        DataError
            If its type is none that tells a time.
        """
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        kind = array.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
            return self._read_text(array.cast(pa.string()))
        if pa.types.is_integer(kind):
            return self._scaled(array)
        self._refuse_unit(kind)
        if pa.types.is_date(kind):
            array = array.cast(pa.timestamp("ms"))
        elif not pa.types.is_timestamp(kind):
            raise DataError(
                f"column {self.column!r}: expected timestamps, dates, integers or ISO 8601 strings, got {kind}"
            )
        return _scale(_fill(array.view(pa.int64())), _PER_SECOND[array.type.unit], _valid(array))

    def _read_text(self, array: pa.Array) -> tuple[Microseconds, Mask]:
        trimmed = pc.utf8_trim_whitespace(array)
        if self.unit is not None:
            if not self.text:
                self._refuse_unit(array.type)
            readable = _valid(pc.if_else(pc.match_substring_regex(trimmed, r"^[+-]?\d{1,18}$"), True, None))
            digits = pc.if_else(pa.array(readable), pc.replace_substring_regex(trimmed, r"^\+", ""), "0")
            return _scale(digits.cast(pa.int64()).to_numpy(), _PER_SECOND[self.unit], readable)
        first = next((value for value in trimmed[:100].to_pylist() if value), "")
        if _INTEGER.fullmatch(first):
            raise self._needs_unit(first)
        return parse_iso(trimmed)

    def _scaled(self, array: pa.Array) -> tuple[Microseconds, Mask]:
        if self.unit is None:
            raise self._needs_unit(str(array.type))
        if pa.types.is_uint64(array.type):
            array = pc.if_else(
                pc.less_equal(array, pa.scalar(_MAX_INT64, pa.uint64())), array, pa.scalar(None, pa.uint64())
            )
        return _scale(_fill(array.cast(pa.int64())), _PER_SECOND[self.unit], _valid(array))

    def _needs_unit(self, came: str) -> ConfigError:
        return ConfigError(
            f"interactions.timestamp_unit: column {self.column!r} holds integers ({came}), whose unit is not known",
            hint='Set timestamp_unit to "s", "ms", "us" or "ns".',
        )

    def _refuse_unit(self, kind: pa.DataType) -> None:
        if self.unit is not None:
            knows = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
            raise ConfigError(
                f"interactions.timestamp_unit: expected integers in column {self.column!r}, got {kind}",
                hint="Leave timestamp_unit out: this column says its unit itself." if knows else None,
            )


def parse_iso(array: pa.Array) -> tuple[Microseconds, Mask]:
    """Read ISO 8601 dates and times; what has no time zone is UTC, what is finer than a microsecond is cut.

    Arrow reads the common forms at once. Where it meets one it does not know, Python reads the whole batch.
    """
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            parsed = array.cast(kind)
        except pa.ArrowInvalid:
            continue
        return _fill(parsed.view(pa.int64())), _valid(parsed)
    values = [_parse_one(text) for text in array.to_pylist()]
    readable = np.array([value is not None for value in values], bool)
    return np.array([value or 0 for value in values], np.int64), readable


def _parse_one(text: str | None) -> int | None:
    try:
        instant = datetime.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return microseconds(instant if instant.tzinfo is not None else instant.replace(tzinfo=datetime.UTC))


def _scale(values: NDArray[np.int64], per_second: int, valid: Mask) -> tuple[Microseconds, Mask]:
    """To microseconds; what does not fit is marked as not valid."""
    if per_second == 10**6:
        return values, valid
    if per_second > 10**6:
        return values // (per_second // 10**6), valid
    factor = 10**6 // per_second
    limit = _MAX_INT64 // factor
    fits = (values <= limit) & (values >= -limit)
    return np.where(fits, values, 0) * factor, valid & fits


def _fill(array: pa.Array) -> NDArray[np.int64]:
    filled: NDArray[np.int64] = (pc.fill_null(array, 0) if array.null_count else array).to_numpy()
    return filled


def _valid(array: pa.Array) -> Mask:
    mask: Mask = pc.is_valid(array).to_numpy(zero_copy_only=False)
    return mask


@dataclass(frozen=True)
class Window:
    """The instants that are read: from the start of the first day, if there is one, to the end of the last, in UTC.

    Attributes
    ----------
    start, end
        Microseconds since 1970-01-01 UTC; ``start`` is read, ``end`` is not.
    """

    start: int | None
    end: int

    @classmethod
    def until(cls, date: datetime.date, days: int | None) -> Window:
        """The last so many days up to and with a date, or everything up to it."""
        midnight = datetime.datetime.combine(date, datetime.time(), datetime.UTC)
        day = 86_400 * 10**6
        end = microseconds(midnight) + day
        return cls(None if days is None else end - days * day, end)

    def contains(self, times: Microseconds) -> Mask:
        """Which times lie in the window."""
        inside: Mask = times < self.end
        return inside if self.start is None else inside & (times >= self.start)


@dataclass(frozen=True)
class WindowCondition:
    """What a source can leave out while it reads; null stays in, to be found and reported.

    Times that are text are not looked at here: every row stays in.
    """

    timestamps: Timestamps
    window: Window

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of times."""
        return (self.timestamps.column,)

    def expression(self, columns: Mapping[str, Column]) -> pc.Expression:
        """The window in the type and unit of the column."""
        kind, values = columns[self.timestamps.column]
        bounds = [None if bound is None else self._bound(bound, kind) for bound in (self.window.start, self.window.end)]
        if bounds[1] is None:
            return pc.scalar(True)
        inside = values < pc.scalar(bounds[1])
        if bounds[0] is not None:
            inside = inside & (values >= pc.scalar(bounds[0]))
        return inside | values.is_null()

    def _bound(self, bound: int, kind: pa.DataType) -> pa.Scalar | None:
        """A bound as a value of the column's type; None where the type cannot hold it, or does not tell."""
        seconds = bound // 10**6  # whole: bounds are midnights
        if pa.types.is_date(kind):
            return pa.scalar(datetime.date.fromordinal(_EPOCH.toordinal() + seconds // 86_400), kind)
        if pa.types.is_timestamp(kind):
            unit = kind.unit
        elif pa.types.is_integer(kind) and self.timestamps.unit is not None:
            unit = self.timestamps.unit
        else:
            return None
        value = seconds * _PER_SECOND[unit]
        try:
            return pa.scalar(value, kind)
        except (pa.ArrowInvalid, OverflowError):
            return None
