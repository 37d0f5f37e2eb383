"""A look at a table of any size: a few of its row groups, evenly spread, and the same lists in the table before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.tables.reading import row_groups, schema_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.data.vocabulary import Vocabulary
    from pipeline.tables.reading import RowGroup

#: Row groups that are read of a table, at most; each has up to a million rows.
ROW_GROUPS: Final = 4
#: Lists that are compared with those of the table before, at most.
COMPARED_LISTS: Final = 2_000


@dataclass(frozen=True)
class TableSample:
    """Whole lists of a table.

    Attributes
    ----------
    rows
        Columns ``source, item_id, score, rank``, lists one after the other.
    starts
        Where each list begins, int64, shape ``(n_lists,)``.
    complete
        Whether it is the whole table.
    """

    rows: pa.Table
    starts: NDArray[np.int64]
    complete: bool

    def scores_at(self, share: float) -> NDArray[np.float32]:
        """The score of each list's first entry (0), last entry (1), or one between."""
        ends = np.append(self.starts[1:], self.rows.num_rows) - 1
        at = self.starts + np.round((ends - self.starts) * share).astype(np.int64)
        scores: NDArray[np.float32] = self.rows.column("score").to_numpy()
        return scores[at]

    def places(self, targets: Vocabulary) -> NDArray[np.int64]:
        """In how many of the lists each target is, int64, shape ``(len(targets),)``."""
        counted = pc.value_counts(self.rows.column("item_id"))
        values, counts = counted.field("values"), counted.field("counts").to_numpy(zero_copy_only=False)
        places = np.zeros(len(targets), dtype=np.int64)
        rows = targets.rows(values)
        places[rows[rows >= 0]] = counts[rows >= 0]
        return places


@dataclass(frozen=True)
class Overlap:
    """How much of some lists is in those of the table before.

    Attributes
    ----------
    shares
        Of each list that both tables have: shared entries divided by the longer one's length, float64.
    new
        Lists that only the newer table has.
    """

    shares: NDArray[np.float64]
    new: int


def read_sample(folder: Path) -> TableSample:
    """Read a few row groups of a table; of its lists, those that are whole."""
    groups = _groups(folder)
    chosen = sorted({round(at) for at in np.linspace(0, len(groups) - 1, min(len(groups), ROW_GROUPS))})
    complete = len(chosen) == len(groups)
    pieces = [_read(groups[number], ["item_id", "score", "rank"]) for number in chosen]
    if not complete:
        pieces = [_without_cut_lists(piece) for piece in pieces]
    rows = pa.concat_tables([_empty(folder), *pieces]).combine_chunks()
    return TableSample(rows, np.flatnonzero(rows.column("rank").to_numpy() == 1), complete)


def overlap(sample: TableSample, before: Path) -> Overlap | None:
    """Compare some lists of a sample with those of another table; None if its ids are of another type."""
    sources = sample.rows.column("source")
    starts = sample.starts
    if len(starts) > COMPARED_LISTS:
        starts = starts[np.linspace(0, len(starts) - 1, COMPARED_LISTS).astype(np.int64)]
    keys = sources.take(pa.array(starts)).combine_chunks()
    earlier = _lists_of(keys, before)
    if earlier is None or earlier.schema.types[:2] != sample.rows.schema.types[:2]:
        return None
    own = sample.rows.filter(pc.is_in(sources, value_set=keys))
    items = pa.concat_arrays([own.column("item_id").combine_chunks(), earlier.column("item_id").combine_chunks()])
    codes = items.dictionary_encode().indices.to_numpy().astype(np.int64)
    n_items = int(codes.max(initial=0)) + 1
    numbers = [pc.index_in(table.column("source"), value_set=keys).to_numpy() for table in (own, earlier)]
    lengths = [np.bincount(number, minlength=len(keys)) for number in numbers]
    pairs = [
        number.astype(np.int64) * n_items + code
        for number, code in zip(numbers, np.split(codes, [own.num_rows]), strict=True)
    ]
    shared = np.bincount(numbers[0][np.isin(pairs[0], pairs[1])], minlength=len(keys))
    both = lengths[1] > 0
    return Overlap(shared[both] / np.maximum(*lengths)[both], int(np.count_nonzero(~both)))


def _groups(folder: Path) -> list[RowGroup]:
    return list(row_groups(sorted(folder.glob("part-*.parquet"))))


def _empty(folder: Path) -> pa.Table:
    """No rows, with the columns of a sample: a table without rows has no row groups."""
    schema = schema_of(min(folder.glob("part-*.parquet")))
    columns = ["item_id", "score", "rank"]
    fields = [schema.field(name) for name in (schema.names[0], *columns)]
    return pa.schema(fields).empty_table().rename_columns(["source", *columns])


def _read(group: RowGroup, columns: Sequence[str]) -> pa.Table:
    """The rows of a row group: the first column as ``source``, and these."""
    schema = schema_of(group.path)
    wanted = pa.schema([schema.field(name) for name in (schema.names[0], *columns)])
    batches = group.batches(max(group.rows, 1), columns)
    return pa.Table.from_batches(batches, schema=wanted).rename_columns(["source", *columns])


def _without_cut_lists(rows: pa.Table) -> pa.Table:
    """Leave out the first and the last list, of which a part may be in the row groups beside."""
    starts = np.flatnonzero(rows.column("rank").to_numpy() == 1)
    return rows.slice(starts[0], starts[-1] - starts[0]) if len(starts) else rows.slice(0, 0)


def _lists_of(keys: pa.Array, folder: Path) -> pa.Table | None:
    """The rows of some sources, ascending, of the row groups that can have any; None for keys of another type."""
    pieces: list[pa.Table] = []
    for group in _groups(folder):
        if schema_of(group.path).types[0] != keys.type:
            return None
        if not pieces or _may_have(group, keys):  # the first is read in any case: its columns are those of the result
            table = _read(group, ["item_id"])
            pieces.append(table.filter(pc.is_in(table.column("source"), value_set=keys)))
    return pa.concat_tables(pieces) if pieces else None


def _may_have(group: RowGroup, keys: pa.Array) -> bool:
    statistics = pq.read_metadata(group.path).row_group(group.number).column(0).statistics
    if statistics is None or not statistics.has_min_max or not len(keys):
        return True
    within = pc.and_(pc.greater_equal(keys, statistics.min), pc.less_equal(keys, statistics.max))
    return bool(pc.any(within).as_py())
