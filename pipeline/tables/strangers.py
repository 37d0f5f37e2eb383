"""Lists of what is popular for sources that the model has never seen, in their places among the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tables.fallback import fill
from pipeline.tables.neighbors import BATCH_LISTS, Lists
from pipeline.tables.ranking import RuleCounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.tables.caps import Cap
    from pipeline.tables.fallback import Popular


class Strangers:
    """Merges the one list that all strangers get into the batches of a table, by the order of the ids.

    Parameters
    ----------
    known
        Sorted ids of the sources that the model knows.
    strangers
        Sorted ids of those it does not, of the same type.
    popular, caps
        What the list is made of, and what must hold for it.
    k
        Its length, at most: that of the other lists.

    Attributes
    ----------
    ids
        All ids, sorted; the source rows of the merged lists are places in them.
    counts
        What the rules did for them.
    """

    def __init__(self, known: pa.Array, strangers: pa.Array, popular: Popular, caps: Sequence[Cap], k: int) -> None:
        together = pa.concat_arrays([known, strangers])
        order = pc.array_sort_indices(together)
        self.ids = together.take(order)
        places = np.empty(len(together), dtype=np.int64)
        places[order.to_numpy()] = np.arange(len(together))
        self._known, self._left = places[: len(known)], places[len(known) :]
        self._rows = np.full((1, k), -1, dtype=np.int64)
        self._scores = np.full((1, k), np.nan, dtype=np.float32)
        self._popular = fill(self._rows, self._scores, popular, exclude=None, caps=caps)
        length = int(self._popular.sum())
        n_lists = len(strangers) if length else 0
        self.counts = RuleCounts(popular_rows=n_lists * length, popular_lists=n_lists)

    def merge(self, lists: Lists) -> Iterator[Lists]:
        """The lists of the next batch, and of the strangers whose ids come before its last, in bounded parts."""
        known = _take(lists, slice(None), self._known[lists.source_rows])
        n_before = int(np.searchsorted(self._left, known.source_rows[-1]))
        start = 0
        for strangers in self._parts(n_before):
            end = int(np.searchsorted(known.source_rows, strangers.source_rows[-1]))
            yield _merged(_take(known, slice(start, end)), strangers)
            start = end
        yield _take(known, slice(start, None))

    def rest(self) -> Iterator[Lists]:
        """The lists of the strangers whose ids come after all others."""
        yield from self._parts(len(self._left))

    def _parts(self, count: int) -> Iterator[Lists]:
        """The lists of the next strangers."""
        while count > 0:
            places, self._left = np.split(self._left, [min(count, BATCH_LISTS)])
            count -= len(places)
            shape = (len(places), self._rows.shape[1])
            yield Lists(
                places,
                np.broadcast_to(self._rows, shape),
                np.broadcast_to(self._scores, shape),
                np.full(shape, np.nan, dtype=np.float32),
                np.broadcast_to(self._popular, shape),
            )


def _take(lists: Lists, part: slice | NDArray[np.int64], source_rows: NDArray[np.int64] | None = None) -> Lists:
    """Some of the lists, under other source rows if these are given."""
    return Lists(
        lists.source_rows[part] if source_rows is None else source_rows,
        lists.target_rows[part],
        lists.scores[part],
        None if lists.relevance is None else lists.relevance[part],
        None if lists.popular is None else lists.popular[part],
    )


def _merged(known: Lists, strangers: Lists) -> Lists:
    """Both, ascending by source row."""
    assert known.relevance is not None and known.popular is not None  # noqa: S101, PT018 - where there is a fallback
    assert strangers.relevance is not None and strangers.popular is not None  # noqa: S101, PT018
    both = Lists(
        np.concatenate([known.source_rows, strangers.source_rows]),
        np.concatenate([known.target_rows, strangers.target_rows]),
        np.concatenate([known.scores, strangers.scores]),
        np.concatenate([known.relevance, strangers.relevance]),
        np.concatenate([known.popular, strangers.popular]),
    )
    return _take(both, np.argsort(both.source_rows))
