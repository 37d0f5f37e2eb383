"""A look at a table of any size: a few of its row groups, evenly spread, and the same lists in the table before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.data.vocabulary import Vocabulary

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
    groups = list(_row_groups(folder))
    chosen = sorted({round(at) for at in np.linspace(0, len(groups) - 1, min(len(groups), ROW_GROUPS))})
    complete = len(chosen) == len(groups)
    pieces = [_read(*groups[number]) for number in chosen]
    if not complete:
        pieces = [_without_cut_lists(piece) for piece in pieces]
    rows = pa.concat_tables(pieces).combine_chunks()
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


def _row_groups(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in sorted(folder.glob("part-*.parquet")):
        for number in range(pq.read_metadata(path).num_row_groups):
            yield path, number


def _read(path: Path, group: int) -> pa.Table:
    with pq.ParquetFile(path) as file:
        key = file.schema_arrow.names[0]
        table = file.read_row_group(group, columns=[key, "item_id", "score", "rank"])
    return table.rename_columns(["source", "item_id", "score", "rank"])


def _without_cut_lists(rows: pa.Table) -> pa.Table:
    """Leave out the first and the last list, of which a part may be in the row groups beside."""
    starts = np.flatnonzero(rows.column("rank").to_numpy() == 1)
    return rows.slice(starts[0], starts[-1] - starts[0]) if len(starts) else rows.slice(0, 0)


def _lists_of(keys: pa.Array, folder: Path) -> pa.Table | None:
    """The rows of some sources, ascending, of the row groups that can have any; None for keys of another type."""
    pieces = []
    schema = None
    for path in sorted(folder.glob("part-*.parquet")):
        with pq.ParquetFile(path) as file:
            key = file.schema_arrow.names[0]
            if file.schema_arrow.field(key).type != keys.type:
                return None
            for group in range(file.num_row_groups):
                if schema is not None and not _may_have(file.metadata.row_group(group).column(0).statistics, keys):
                    continue
                table = file.read_row_group(group, columns=[key, "item_id"]).rename_columns(["source", "item_id"])
                schema = table.schema
                pieces.append(table.filter(pc.is_in(table.column("source"), value_set=keys)))
    return pa.concat_tables(pieces) if pieces else None


def _may_have(statistics: Any, keys: pa.Array) -> bool:
    if statistics is None or not statistics.has_min_max or not len(keys):
        return True
    within = pc.and_(pc.greater_equal(keys, statistics.min), pc.less_equal(keys, statistics.max))
    return bool(pc.any(within).as_py())
