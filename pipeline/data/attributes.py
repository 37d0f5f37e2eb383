"""Which items have which attributes, and what the entities are called: files joined on ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.ids import STRING, IdEncoder, ids_like, normalize_ids
from pipeline.data.matrices import binary_pairs
from pipeline.data.sources import open_source
from pipeline.data.vocabulary import Vocabulary
from pipeline.errors import ConfigError, DataError

if TYPE_CHECKING:
    import datetime

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.config import BoostSettings, ListSettings, MapSettings, NamesSettings
    from pipeline.data.source import Source


class Attribute(NamedTuple):
    """An attribute of the items.

    Attributes
    ----------
    ids
        Sorted values of the attribute that occur on an item.
    item_values
        CSR, float32, shape ``(n_items, len(ids))``, 1 where the item has the value.
    stats
        Counts of what was read and passed over.
    """

    ids: pa.Array
    item_values: csr_matrix
    stats: dict[str, int]


class Names(NamedTuple):
    """Names of the ids of a vocabulary, null where there is none, and counts of what was read."""

    names: pa.Array
    stats: dict[str, int]


class Boosts(NamedTuple):
    """Factors of the ids of a vocabulary, 1 where there is none; how many have one, how many ids are unknown."""

    factors: NDArray[np.float64]
    known: int
    unknown: int


class ListedIds(NamedTuple):
    """The ids listed in a file.

    Attributes
    ----------
    rows
        int32: rows of those that are known, ascending.
    unknown
        How many distinct ids are unknown.
    strangers
        Those of them that could be ids of the vocabulary, of its type, sorted as it is.
    """

    rows: NDArray[np.int32]
    unknown: int
    strangers: pa.Array


def read_attribute(settings: MapSettings, items: Vocabulary, *, date: datetime.date) -> Attribute:
    """Read a map from items to the values of an attribute.

    Ids that are no items are passed over; a null value, or an empty part of a cell that is split, is no attribute.

    Raises
    ------
    MissingInputError
        If there is no file, or a column is missing.
    DataError
        If an id is null, ids or values are neither integers nor strings, or no item gets a value.
    """
    source = open_source(settings, date=date)
    encoder = IdEncoder(f"{source.path}: column {settings.value!r}", text=source.text)
    rows: list[NDArray[np.int32]] = []
    n_unknown = 0
    for batch in source.batches([settings.id, settings.value]):
        matched = _match(batch.rows.column(settings.id), items, source, f"{batch.file}: column {settings.id!r}")
        n_unknown += int(np.count_nonzero(matched < 0))
        known = pa.array(matched >= 0)
        owners, values = _split(
            pa.array(matched).filter(known),
            batch.rows.column(settings.value).filter(known),
            settings.separator,
            f"{batch.file}: column {settings.value!r}",
        )
        if len(values):
            encoder.add(values)
            rows.append(owners.to_numpy())
    ids, codes = encoder.finish()
    if not len(ids):
        raise DataError(
            f"{source.path}: expected values of {settings.value!r} for the items, but none of its "
            f"{source.rows_seen:,} rows gives an item one",
            hint=f"Is {settings.id!r} the column of the items' ids? The first items are {_some(items)}.",
        )
    item_values = binary_pairs(np.concatenate(rows), codes, (len(items), len(ids)))
    stats = {
        "rows_read": source.rows_seen,
        "rows_of_unknown_items": n_unknown,
        "values": len(ids),
        "pairs": int(item_values.nnz),
        "items_without": int(np.count_nonzero(np.diff(item_values.indptr) == 0)),
    }
    return Attribute(ids, item_values, stats)


def read_names(settings: NamesSettings, ids: pa.Array, *, date: datetime.date) -> Names:
    """Read the names of some ids, exactly as they are written; of several for one id the first counts.

    Raises
    ------
    MissingInputError
        If there is no file, or a column is missing.
    DataError
        If an id is null, ids are of another type than those to be named, names are neither strings nor integers, or
        none of the ids is in the file.
    """
    source = open_source(settings, date=date)
    vocabulary = Vocabulary(ids)
    place = np.full(len(ids), -1, np.int64)  # of each row's name in the kept ones
    kept: list[pa.Array] = []
    n_kept = n_repeated = n_unknown = 0
    for batch in source.batches([settings.id, settings.name]):
        rows = _match(batch.rows.column(settings.id), vocabulary, source, f"{batch.file}: column {settings.id!r}")
        names = normalize_ids(batch.rows.column(settings.name), f"{batch.file}: column {settings.name!r}").cast(STRING)
        n_unknown += int(np.count_nonzero(rows < 0))
        candidates = np.flatnonzero((rows >= 0) & pc.is_valid(names).to_numpy(zero_copy_only=False))
        found, first = np.unique(rows[candidates], return_index=True)
        new = place[found] < 0
        place[found[new]] = np.arange(n_kept, n_kept + np.count_nonzero(new))
        kept.append(names.take(pa.array(candidates[first[new]])))
        n_kept += int(np.count_nonzero(new))
        n_repeated += len(candidates) - int(np.count_nonzero(new))
    if n_unknown == source.rows_seen:
        raise DataError(
            f"{source.path}: expected names in {settings.name!r}, but none of its {source.rows_seen:,} rows is of one "
            "of the ids",
            hint=f"Is {settings.id!r} the column of the ids? The first ids are {_some(vocabulary)}.",
        )
    names = pa.concat_arrays([pa.array([], STRING), *kept]).take(pa.array(place, mask=place < 0))
    stats = {
        "rows_read": source.rows_seen,
        "rows_of_unknown_ids": n_unknown,
        "rows_repeated": n_repeated,
        "ids_without": len(ids) - n_kept,
    }
    return Names(names, stats)


def read_ids(settings: ListSettings, vocabulary: Vocabulary, *, date: datetime.date) -> ListedIds:
    """Read the ids listed in a file, as rows of a vocabulary.

    Raises
    ------
    MissingInputError
        If there is no file, or the column is missing.
    DataError
        If an id is null or of another type than the vocabulary's.
    """
    source = open_source(settings, date=date)
    rows: set[int] = set()
    unknown: set[object] = set()
    strangers = [pa.array([], vocabulary.ids.type)]
    for batch in source.batches([settings.id]):
        ids, column = batch.rows.column(settings.id), f"{batch.file}: column {settings.id!r}"
        matched = _match(ids, vocabulary, source, column)
        rows.update(np.unique(matched[matched >= 0]).tolist())
        ids = ids.filter(pa.array(matched < 0)).unique()
        unknown.update(ids.to_pylist())
        strangers.append(ids_like(ids, vocabulary.ids.type, text=source.text, column=column).drop_null())
    distinct = pa.concat_arrays(strangers).unique()
    return ListedIds(np.array(sorted(rows), np.int32), len(unknown), distinct.take(pc.array_sort_indices(distinct)))


def read_boosts(settings: BoostSettings, vocabulary: Vocabulary, *, date: datetime.date) -> Boosts:
    """Read factors of some ids.

    Raises
    ------
    MissingInputError
        If there is no file, or a column is missing.
    DataError
        If an id is null, of another type than the vocabulary's, or there with different factors, or a factor is not a
        finite number above zero.
    """
    source = open_source(settings, date=date)
    factors = np.full(len(vocabulary), np.nan)
    unknown: set[object] = set()
    for batch in source.batches([settings.id, settings.boost]):
        ids = batch.rows.column(settings.id)
        rows = _match(ids, vocabulary, source, f"{batch.file}: column {settings.id!r}")
        values = _factors(batch.rows.column(settings.boost), f"{batch.file}: column {settings.boost!r}")
        unknown.update(ids.filter(pa.array(rows < 0)).unique().to_pylist())
        known, values = rows[rows >= 0], values[rows >= 0]
        before = factors[known]
        factors[known] = values
        differ = (factors[known] != values) | (~np.isnan(before) & (before != values))
        if differ.any():
            repeated = vocabulary.id(known[np.argmax(differ)])
            raise DataError(f"{batch.file}: expected one {settings.boost!r} for each id, got several for {repeated!r}")
    boosted = ~np.isnan(factors)
    return Boosts(np.where(boosted, factors, 1.0), int(boosted.sum()), len(unknown))


def _factors(values: pa.Array, column: str) -> NDArray[np.float64]:
    """Numbers above zero, of a column of numbers or of text."""
    try:
        factors: NDArray[np.float64] = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{column}: expected numbers above zero: {error}") from None
    wrong = ~(np.isfinite(factors) & (factors > 0.0))
    if wrong.any():
        raise DataError(f"{column}: expected finite numbers above zero, got {values[int(np.argmax(wrong))].as_py()!r}")
    return factors


def _match(ids: pa.Array, vocabulary: Vocabulary, source: Source, column: str) -> NDArray[np.int32]:
    """Rows of ids as they were read; -1 for those that are unknown."""
    if ids.null_count:
        raise DataError(f"{column}: expected an id in every row, got null in {ids.null_count:,}")
    return vocabulary.rows(ids_like(ids, vocabulary.ids.type, text=source.text, column=column))


def _split(owners: pa.Array, values: pa.Array, separator: str | None, column: str) -> tuple[pa.Array, pa.Array]:
    """Values without nulls, several in a cell made several rows, and the owner of each."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if separator is not None:
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            raise ConfigError(f"{column}: separator needs strings, got {values.type}")
        values = pc.split_pattern(values, separator)
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        owners = owners.take(pc.list_parent_indices(values))
        values = pc.list_flatten(values)
    values = normalize_ids(values, column)
    there = pc.is_valid(values)
    if separator is not None:
        there = pc.and_kleene(there, pc.not_equal(values, ""))
    there = pc.fill_null(there, False)
    return owners.filter(there), values.filter(there)


def _some(vocabulary: Vocabulary) -> str:
    return ", ".join(repr(value) for value in vocabulary.ids[:3].to_pylist())
