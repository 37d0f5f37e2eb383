"""How far two tables agree: list by list, and by who is in how many lists."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.tables.reading import read_long

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.data.vocabulary import Vocabulary

Codes = NDArray[np.signedinteger[Any]]

_BATCH_ROWS = 1 << 18
#: Movers that are named.
_MOVERS = 10


@dataclass(frozen=True)
class Mover:
    """An entity that is in more or fewer lists than before."""

    id: int | str
    name: str
    first_lists: int
    second_lists: int


@dataclass(frozen=True)
class TableComparison:
    """Two tables of the same name.

    Attributes
    ----------
    name
        Their name.
    first_lists, second_lists, common_lists
        Source entities with a list in the first, in the second, and in both.
    overlap
        Of the lists that both have: shared entries, divided by the longer one's length, on average; None where they
        have none in common.
    jaccard
        Shared entries divided by the entries of either, on average.
    unchanged
        Lists with the same entries in the same order.
    movers
        The entities whose number of lists changed most, the largest change first.
    """

    name: str
    first_lists: int
    second_lists: int
    common_lists: int
    overlap: float | None
    jaccard: float | None
    unchanged: int
    movers: list[Mover]


def compare_tables(name: str, first: Path, second: Path, targets: tuple[Vocabulary, Vocabulary]) -> TableComparison:
    """Read two tables side by side, in the order of their source entities; memory is of a few batches.

    Parameters
    ----------
    name
        Name of both.
    first, second
        Their folders.
    targets
        The ids and names of the entities that their lists are of.
    """
    known = pa.concat_arrays([vocabulary.ids for vocabulary in targets]).unique()
    entries = np.zeros((2, len(known)), dtype=np.int64)
    total = _Agreement()
    for pieces in _aligned(_batches(first), _batches(second)):
        items = [pc.index_in(piece.column(1), value_set=known).to_numpy() for piece in pieces]
        ranks = [piece.column(2).to_numpy() for piece in pieces]
        for side, codes in enumerate(items):
            entries[side] += np.bincount(codes, minlength=len(known))
        total.add(_agreement(_source_codes(*(piece.column(0) for piece in pieces)), items, ranks))
    common = total.common_lists
    return TableComparison(
        name=name,
        first_lists=total.first_lists,
        second_lists=total.second_lists,
        common_lists=common,
        overlap=total.overlap / common if common else None,
        jaccard=total.jaccard / common if common else None,
        unchanged=total.unchanged,
        movers=_movers(entries, known, targets),
    )


@dataclass
class _Agreement:
    """Counts and sums over lists."""

    first_lists: int = 0
    second_lists: int = 0
    common_lists: int = 0
    overlap: float = 0.0
    jaccard: float = 0.0
    unchanged: int = 0

    def add(self, other: _Agreement) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def _agreement(sources: Sequence[Codes], items: Sequence[Codes], ranks: Sequence[Codes]) -> _Agreement:
    """Agreement of two pieces with the same sources, which are given row by row."""
    n_sources = 1 + max(int(codes.max(initial=-1)) for codes in sources)
    n_items = 1 + max(int(codes.max(initial=-1)) for codes in items)
    n_ranks = 1 + max(int(codes.max(initial=-1)) for codes in ranks)
    entries = [source * np.int64(n_items) + item for source, item in zip(sources, items, strict=True)]
    places = [entry * np.int64(n_ranks) + rank for entry, rank in zip(entries, ranks, strict=True)]
    first, second = (np.bincount(codes, minlength=n_sources) for codes in sources)
    shared, same = (
        np.bincount(sources[0][np.isin(mine, others, assume_unique=True)], minlength=n_sources)
        for mine, others in (entries, places)
    )
    both = (first > 0) & (second > 0)
    return _Agreement(
        first_lists=int(np.count_nonzero(first)),
        second_lists=int(np.count_nonzero(second)),
        common_lists=int(np.count_nonzero(both)),
        overlap=float((shared[both] / np.maximum(first, second)[both]).sum()),
        jaccard=float((shared[both] / (first + second - shared)[both]).sum()),
        unchanged=int(np.count_nonzero(both & (same == first) & (same == second))),
    )


def _source_codes(first: pa.ChunkedArray, second: pa.ChunkedArray) -> list[Codes]:
    """Numbers for the sources of two pieces, equal where their ids are."""
    codes = pa.chunked_array(first.chunks + second.chunks, first.type).combine_chunks().dictionary_encode().indices
    numbers = codes.to_numpy().astype(np.int64)
    return [numbers[: len(first)], numbers[len(first) :]]


def _batches(folder: Path) -> Iterator[pa.Table]:
    """The source, target and rank of every row, in the order of the table."""
    for batch in read_long(folder, _BATCH_ROWS, ["item_id", "rank"]):
        if batch.num_rows:
            yield pa.Table.from_batches([batch])


def _aligned(first: Iterator[pa.Table], second: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Cut two tables, both in the order of their sources, into pieces of the same sources; one may have no rows.

    The side that is behind is read on, so that neither is ever more than a batch and a list ahead.
    """
    sides = (_Reader(first), _Reader(second))
    while reading := [side for side in sides if not side.exhausted]:
        min(reading, key=lambda side: side.last).read()
        # Of the last source read there may be more rows to come.
        limits = [side.last for side in sides if not side.exhausted]
        pieces = [side.take_before(min(limits, default=None)) for side in sides]
        there = [piece for piece in pieces if piece is not None and piece.num_rows]
        if there:
            nothing = there[0].slice(0, 0)
            yield tuple(nothing if piece is None else piece for piece in pieces)


class _Reader:
    """The rows of a table that were read and not taken yet."""

    def __init__(self, batches: Iterator[pa.Table]) -> None:
        self._batches = batches
        self._pending: pa.Table | None = None
        self.exhausted = False

    @property
    def last(self) -> tuple[Any, ...]:
        """The last source read; before any is, what sorts before all."""
        if self._pending is None or not self._pending.num_rows:
            return ()
        return (self._pending.column(0)[-1].as_py(),)

    def read(self) -> None:
        batch = next(self._batches, None)
        if batch is None:
            self.exhausted = True
        else:
            self._pending = batch if self._pending is None else pa.concat_tables([self._pending, batch])

    def take_before(self, limit: tuple[Any, ...] | None) -> pa.Table | None:
        """The rows of sources before a limit, or all; None if nothing was ever read."""
        if self._pending is None:
            return None
        if limit is None:
            count = self._pending.num_rows
        else:
            count = int(pc.sum(pc.less(self._pending.column(0), limit[0])).as_py() or 0) if limit else 0
        taken, self._pending = self._pending.slice(0, count), self._pending.slice(count)
        return taken


def _movers(entries: NDArray[np.int64], known: pa.Array, targets: tuple[Vocabulary, Vocabulary]) -> list[Mover]:
    change = np.abs(entries[1] - entries[0])
    order = np.argsort(-change, kind="stable")[:_MOVERS]
    movers = []
    for code in order[change[order] > 0].tolist():
        id = known[code].as_py()  # noqa: A001 (the word for it)
        # Of the second run, if it still has the entity: its names are the newer ones.
        vocabulary = targets[1] if targets[1].row(id) >= 0 else targets[0]
        lists = (int(entries[side, code]) for side in (0, 1))
        movers.append(Mover(id, vocabulary.name(vocabulary.row(id)), *lists))
    return movers
