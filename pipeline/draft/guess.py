"""What the columns of interactions mean, by their names and by what they hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from pipeline.data.timestamps import Timestamps
from pipeline.data.where import column_in_filter
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from pipeline.config.sections import TimestampUnit
    from pipeline.draft.profile import ColumnProfile, DataProfile

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_USERS: Final = {
    *(
        "user",
        "member",
        "customer",
        "client",
        "listener",
        "viewer",
        "reader",
        "visitor",
        "session",
        "account",
        "player",
    ),
    *("person", "people", "patient", "subscriber", "buyer", "profile", "device", "row", "u", "uid", "userid"),
}
_ITEMS: Final = {
    *(
        "item",
        "product",
        "track",
        "song",
        "artist",
        "album",
        "movie",
        "film",
        "book",
        "article",
        "video",
        "game",
        "news",
    ),
    *(
        "asin",
        "sku",
        "isbn",
        "poi",
        "location",
        "venue",
        "business",
        "page",
        "url",
        "post",
        "recipe",
        "podcast",
        "show",
    ),
    *("episode", "offer", "ad", "listing", "anime", "beer", "place", "app", "column", "i", "iid", "pid", "itemid"),
}
_WEIGHTS: Final = {
    *("weight", "plays", "playcount", "count", "counts", "quantity", "qty", "clicks", "views", "listens", "purchases"),
    *("frequency", "freq", "times", "visits", "hours", "minutes", "value", "strength", "n"),
}
_RATINGS: Final = {"rating", "ratings", "stars", "star", "rate", "score", "scores"}
_TIMES: Final = {"timestamp", "time", "ts", "date", "datetime", "day", "epoch", "created", "when", "at", "utc", "unix"}
#: A rating as people give them has no more values, and none above.
_RATING_VALUES: Final = 20
_HIGHEST_RATING: Final = 100.0
#: What counts as liked, as a share of the highest rating: 3.5 of 5, 7 of 10.
_LIKED: Final = 0.7
#: Rows that say how the hold-out is best taken.
_SPLIT_ROWS: Final = 2_000_000
#: A cut in time is of use where this share of those who come after it came before it too.
_RETURNING: Final = 0.5
_TEST_FRACTION: Final = 0.2


@dataclass(frozen=True)
class Guess:
    """What the columns mean.

    Attributes
    ----------
    user, item
        Columns of ids.
    weight, timestamp
        Columns; None for none.
    timestamp_unit
        Unit of times that are integers.
    where
        Filter of the rows that count; None for all.
    """

    user: str
    item: str
    weight: str | None = None
    timestamp: str | None = None
    timestamp_unit: TimestampUnit | None = None
    where: str | None = None


@dataclass(frozen=True)
class HoldOut:
    """How the hold-out is best taken.

    Attributes
    ----------
    by_user
        Whether from each user's items, although there are times.
    test_fraction
        Share that is held out; None for the default.
    """

    by_user: bool
    test_fraction: float | None


def guess_roles(data: DataProfile) -> Guess | None:
    """Guess what the columns mean; None where users and items cannot be told."""
    time = _best_time(data.columns)
    ids = [column for column in data.columns if column.is_id and not column.is_time and column is not time]
    user = _best(ids, _USERS)
    item = _best([column for column in ids if column is not user], _ITEMS)
    left = [column for column in ids if column not in (user, item) and not _has(column, _WEIGHTS | _RATINGS)]
    # Where names say nothing, the user comes first, as everywhere.
    user = user or next(iter(left), None)
    item = item or next((column for column in left if column is not user), None)
    if user is None or item is None:
        return None
    guess = with_timestamp(Guess(user.name, item.name), time)
    numbers = [
        column
        for column in data.columns
        if column not in (user, item, time) and column.low is not None and _has(column, _WEIGHTS | _RATINGS)
    ]
    return with_weight(guess, next(iter(numbers), None))


def with_timestamp(guess: Guess, column: ColumnProfile | None) -> Guess:
    """The guess with a column of times, or none, and the unit that its values are likely in.

    Raises
    ------
    ConfigError
        If the column has no times.
    """
    if column is None:
        return replace(guess, timestamp=None, timestamp_unit=None)
    if not column.is_time and column.unit is None:
        raise ConfigError(
            f"column {column.name!r} holds no times, but {column.type}: {', '.join(column.examples)}",
            hint="Times are timestamps, dates, ISO 8601 strings, or integers since 1970.",
        )
    return replace(guess, timestamp=column.name, timestamp_unit=column.unit)


def with_weight(guess: Guess, column: ColumnProfile | None) -> Guess:
    """The guess with a column of weights, or none; of ratings, the high ones count, and all the same.

    Raises
    ------
    ConfigError
        If the column has no numbers.
    """
    if column is None:
        return replace(guess, weight=None, where=None)
    if column.low is None or column.high is None:
        raise ConfigError(
            f"column {column.name!r} holds no weights, but {column.type}: {', '.join(column.examples)}",
            hint="Weights are numbers above zero.",
        )
    name = column_in_filter(column.name)
    if _has(column, _RATINGS) and column.distinct <= _RATING_VALUES and column.high <= _HIGHEST_RATING:
        return replace(guess, weight=None, where=f"{name} >= {_LIKED * column.high:g}")
    if column.low == column.high:
        return replace(guess, weight=None, where=None)  # it says nothing
    return replace(guess, weight=column.name, where=f"{name} > 0" if column.low <= 0 or column.nulls else None)


def choose_hold_out(data: DataProfile, guess: Guess) -> HoldOut:
    """Choose how the hold-out is taken, by up to two million rows.

    Returns
    -------
    By time as a rule, where there are times; by user, where most who come after a cut never came before it, as where
    people rate all they know in one sitting. The share is larger where no user has enough items for the default.
    """
    users, items, times = _codes(data, guess)
    by_user = times is not None and _returning(users, times) < _RETURNING
    if times is not None and not by_user:
        return HoldOut(by_user=False, test_fraction=None)
    pairs = np.unique(np.stack([users, items]), axis=1)
    longest = int(np.bincount(pairs[0]).max(initial=0))
    enough = longest * _TEST_FRACTION >= 1 or longest < 2
    return HoldOut(by_user=by_user, test_fraction=None if enough else 0.5)


def _codes(data: DataProfile, guess: Guess) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]:
    """Numbers for users and items, and times, row by row."""
    columns = [guess.user, guess.item] + ([guess.timestamp] if guess.timestamp else [])
    source = data.open()
    batches, rows = [], 0
    for batch in source.batches(columns):
        batches.append(batch.rows)
        rows += batch.rows.num_rows
        if rows >= _SPLIT_ROWS:
            break
    table = pa.Table.from_batches(batches)
    users, items = (
        table.column(position).combine_chunks().cast(pa.string()).dictionary_encode().indices.fill_null(0).to_numpy()
        for position in (0, 1)
    )
    times = None
    if guess.timestamp is not None:
        reader = Timestamps(guess.timestamp, guess.timestamp_unit, source.text)
        times, readable = reader.read(table.column(2).combine_chunks())
        users, items, times = users[readable], items[readable], times[readable]
    return users.astype(np.int64), items.astype(np.int64), times


def _returning(users: NDArray[np.int64], times: NDArray[np.int64]) -> float:
    """Of the users after a cut in time, the share that came before it too."""
    if not len(times):
        return 0.0
    cut = np.quantile(times, 1 - _TEST_FRACTION, method="lower")
    after = np.unique(users[times >= cut])
    return float(np.isin(after, users[times < cut]).mean()) if len(after) else 0.0


def _best_time(columns: Iterable[ColumnProfile]) -> ColumnProfile | None:
    """The column of times: one that is named so first, then what is nothing else; of integers, no id."""
    times = [column for column in columns if column.is_time or column.unit is not None]
    named = [column for column in times if _has(column, _TIMES)]
    others = [column for column in times if column.is_time or not _has(column, _USERS | _ITEMS | {"id"})]
    return next(iter([*named, *others]), None)


def _best(columns: Iterable[ColumnProfile], words: set[str]) -> ColumnProfile | None:
    """The column named by one of the words: an id rather than a name, and of several the one with most values."""
    named = [column for column in columns if _has(column, words)]
    return max(named, key=lambda column: (_has(column, {"id"}), column.distinct), default=None)


def _has(column: ColumnProfile, words: set[str]) -> bool:
    lower = column.name.lower()
    return lower in words or any(word.lower() in words for word in _WORDS.findall(column.name))
