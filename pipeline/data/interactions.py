"""The events of ``[interactions]``: read, filtered and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.data.conditions import AllOf, Condition
from pipeline.data.ids import normalize_ids
from pipeline.data.source import Batch, Source
from pipeline.data.timestamps import Timestamps, Window, WindowCondition
from pipeline.data.where import parse_where
from pipeline.errors import DataError

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator

    from pipeline.config import InteractionsSettings

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Events:
    """Some events, in the order they were read.

    Attributes
    ----------
    users, items
        int64 or string, without nulls.
    weights
        float32, finite and above zero; None where the interactions have no weight.
    timestamps
        int64 microseconds since 1970-01-01 UTC; None where the interactions have no timestamp.
    """

    users: pa.Array
    items: pa.Array
    weights: NDArray[np.float32] | None
    timestamps: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.users)


def read_interactions(source: Source, settings: InteractionsSettings, *, date: datetime.date) -> Iterator[Events]:
    """Read the events up to and with a date, within the window, that pass the filter.

    Rows that the filter or the window leave out are not checked. When a row cannot be used nothing more is given, the
    rest is only checked, and one error at the end tells all that is wrong.

    Raises
    ------
    MissingInputError
        If there is no file, or a column is missing.
    ConfigError
        If the filter cannot be applied, or integer timestamps have no unit.
    DataError
        If ids are null or neither integers nor strings, weights are not finite numbers above zero, or timestamps
        cannot be read; the message tells for each how many rows, and the first.
    """
    reader = _Reader(settings, source, Window.until(date, settings.window_days))
    findings = Findings()
    for batch in source.batches(reader.columns, reader.condition()):
        events = reader.read(batch, findings)
        if len(events) and not findings:
            yield events
    findings.raise_if_any()


class Findings:
    """What is wrong with rows, counted by kind, with the first row of each."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, column: str, expected: str, came: str, wrong: Mask, batch: Batch) -> None:
        """Take note of the rows where a mask is true."""
        count = int(np.count_nonzero(wrong))
        if not count:
            return
        finding = f"column {column!r}: expected {expected}, got {came}"
        if finding not in self._counts:
            row = batch.rows.slice(int(np.argmax(wrong)), 1).to_pylist()[0]
            values = ", ".join(f"{name} = {value!r}" for name, value in row.items())
            self._first[finding] = f"{values} ({batch.file})"
        self._counts[finding] = self._counts.get(finding, 0) + count

    def raise_if_any(self) -> None:
        """Raise one DataError for all that was found."""
        if not self._counts:
            return
        lines = [
            f"{finding} in {count:,} row{'s' * (count > 1)}, the first: {self._first[finding]}"
            for finding, count in self._counts.items()
        ]
        raise DataError(
            "interactions: " + (lines[0] if len(lines) == 1 else "\n  ".join(["", *lines])),
            hint="Repair the input, or leave the rows out with interactions.where.",
        )


class _Reader:
    """Turns rows into events by the settings."""

    def __init__(self, settings: InteractionsSettings, source: Source, window: Window) -> None:
        self._settings = settings
        self._source = source
        self._window = window
        self._timestamps = (
            None
            if settings.timestamp is None
            else Timestamps(settings.timestamp, settings.timestamp_unit, text=source.text)
        )

    @property
    def columns(self) -> list[str]:
        settings = self._settings
        optional = (settings.weight, settings.timestamp)
        return [settings.user, settings.item, *(column for column in optional if column is not None)]

    def condition(self) -> Condition | None:
        """What the source leaves out itself; the window is cut again after reading, where types are known."""
        conditions: list[Condition] = []
        if self._settings.where is not None:
            conditions.append(parse_where(self._settings.where))
        if self._timestamps is not None and not self._source.text:
            conditions.append(WindowCondition(self._timestamps, self._window))
        return AllOf(tuple(conditions)) if conditions else None

    def read(self, batch: Batch, findings: Findings) -> Events:
        settings = self._settings
        batch, times = self._cut(batch, findings)
        users = self._ids(batch, settings.user, findings)
        items = self._ids(batch, settings.item, findings)
        weights = None if settings.weight is None else self._weights(batch, settings.weight, findings)
        return Events(users, items, weights, times)

    def _cut(self, batch: Batch, findings: Findings) -> tuple[Batch, NDArray[np.int64] | None]:
        """The rows in the window, with their times."""
        if self._timestamps is None:
            return batch, None
        column = self._timestamps.column
        times, readable = self._timestamps.read(batch.rows.column(column))
        expected = "an ISO 8601 date or time" if self._timestamps.unit is None else "a time that int64 can hold"
        findings.add(column, expected, "null or something else", ~readable, batch)
        inside = self._window.contains(times) & readable
        if inside.all():
            return batch, times
        return Batch(batch.file, batch.rows.filter(pa.array(inside))), times[inside]

    def _ids(self, batch: Batch, column: str, findings: Findings) -> pa.Array:
        ids = normalize_ids(batch.rows.column(column), f"{batch.file}: column {column!r}")
        if ids.null_count:
            findings.add(column, "an id", "null", mask_of(pc.is_null(ids)), batch)
        return ids

    def _weights(self, batch: Batch, column: str, findings: Findings) -> NDArray[np.float32]:
        values = batch.rows.column(column)
        numbers = _numbers(values, f"{batch.file}: column {column!r}", text=self._source.text)
        weights = (pc.fill_null(numbers, np.nan) if numbers.null_count else numbers).to_numpy()
        with np.errstate(over="ignore", under="ignore"):
            rounded: NDArray[np.float32] = weights.astype(np.float32)
        if not (np.isfinite(rounded).all() and (rounded > 0).all()):
            self._explain(column, weights, mask_of(pc.is_null(values)), mask_of(pc.is_null(numbers)), batch, findings)
        return rounded

    def _explain(
        self,
        column: str,
        weights: NDArray[np.float64],
        null: Mask,
        unreadable: Mask,
        batch: Batch,
        findings: Findings,
    ) -> None:
        """Find out what is wrong with weights of which some are not positive numbers within float32."""
        with np.errstate(over="ignore", under="ignore"):
            rounded = weights.astype(np.float32)
        beyond = np.isfinite(weights) & (weights > 0) & (np.isinf(rounded) | (rounded == 0))
        for expected, came, wrong in (
            ("a weight", "null", null),
            ("a number", "something else", unreadable & ~null),
            ("a number", "NaN", np.isnan(weights) & ~unreadable),
            ("a finite number", "infinity", np.isinf(weights)),
            ("a number above zero", "zero or less", np.isfinite(weights) & (weights <= 0)),
            ("a number within float32", "one beyond it", beyond),
        ):
            findings.add(column, expected, came, wrong, batch)


def mask_of(array: pa.Array) -> Mask:
    """Booleans of Arrow, which have no nulls, as NumPy's."""
    mask: Mask = array.to_numpy(zero_copy_only=False)
    return mask


_NUMBER = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^-?(?i:nan|inf|infinity)$"


def _numbers(array: pa.Array, column: str, *, text: bool) -> pa.Array:
    """Float64; null where text is no number."""
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return array.cast(pa.float64(), safe=False)
    if not text:
        raise DataError(f"{column}: expected numbers, got {kind}")
    trimmed = pc.utf8_trim_whitespace(array)
    try:
        return trimmed.cast(pa.float64())
    except pa.ArrowInvalid:
        unsigned = pc.replace_substring_regex(trimmed, r"^\+", "")
        return pc.if_else(pc.match_substring_regex(unsigned, _NUMBER), unsigned, None).cast(pa.float64())
