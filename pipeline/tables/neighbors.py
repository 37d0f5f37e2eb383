"""The rows of a table, computed batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annlib import exact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    import annlib
    from annlib import Metric

#: Lists per call of the search: enough to keep every core busy, few enough that a batch is some tens of megabytes.
BATCH_LISTS = 16_384


@dataclass(frozen=True)
class Lists:
    """Neighbour lists of some sources.

    Attributes
    ----------
    source_rows
        int64, shape ``(m,)``: the sources, ascending.
    target_rows
        int64, shape ``(m, k)``: best first, -1 where there is no neighbour left.
    scores
        float32, shape ``(m, k)``: never rising along a list, NaN where there is no neighbour left.
    """

    source_rows: NDArray[np.int64]
    target_rows: NDArray[np.int64]
    scores: NDArray[np.float32]


def neighbor_lists(
    index: annlib.Index,
    vectors: NDArray[np.float32],
    source_rows: NDArray[np.int64],
    *,
    k: int,
    exclude: csr_matrix | None = None,
    num_threads: int = 0,
    batch_lists: int = BATCH_LISTS,
) -> Iterator[Lists]:
    """Exact nearest neighbours of some sources, in batches of bounded memory.

    Parameters
    ----------
    index
        Index of the targets, whose rows are the vocabulary's.
    vectors
        float32, shape ``(n_sources, d)``; may be memory-mapped.
    source_rows
        Rows of ``vectors`` that are wanted, ascending.
    k
        Neighbours of each, at most.
    exclude
        CSR of shape ``(n_sources, n_targets)``: targets to leave out of each source's list.
    """
    k = min(k, len(index))
    for start in range(0, len(source_rows), batch_lists):
        rows = source_rows[start : start + batch_lists]
        left_out = None if exclude is None else exclude[rows]
        target_rows, scores = index.search_rows(vectors[rows], k, exclude=left_out, num_threads=num_threads)
        yield Lists(rows, target_rows, scores)


class NeighborRecall:
    """Share of the exact neighbours that a table's lists hold, measured on a sample of them.

    The sample is spread evenly over the sources; the truth is the NumPy oracle's (:mod:`annlib.exact`), so it judges
    the index and everything between it and the table's rows.
    """

    def __init__(self, source_rows: NDArray[np.int64], sample_size: int) -> None:
        positions = np.linspace(0, max(len(source_rows) - 1, 0), min(sample_size, len(source_rows)))
        self._sample = np.unique(source_rows[positions.astype(np.int64)])
        self._found: dict[int, NDArray[np.int64]] = {}

    def add(self, lists: Lists) -> None:
        """Remember the sampled lists of a batch."""
        for position in np.flatnonzero(np.isin(lists.source_rows, self._sample)):
            self._found[int(lists.source_rows[position])] = lists.target_rows[position]

    def measure(
        self,
        targets: NDArray[np.float32],
        vectors: NDArray[np.float32],
        metric: Metric,
        *,
        k: int,
        exclude: csr_matrix | None = None,
    ) -> float:
        """Recall over the sample, from 0 to 1; 1 where there is nothing to find."""
        left_out = None if exclude is None else _rows_of(exclude[self._sample])
        expected, _ = exact.search(
            targets, vectors[self._sample], min(k, len(targets)), metric=metric, exclude=left_out
        )
        wanted = found = 0
        for source_row, truth in zip(self._sample.tolist(), expected, strict=True):
            truth = truth[truth >= 0]
            wanted += len(truth)
            found += int(np.isin(truth, self._found[source_row]).sum())
        return found / wanted if wanted else 1.0


def _rows_of(matrix: csr_matrix) -> list[NDArray[np.int32]]:
    """The columns of each row's stored entries."""
    return np.split(matrix.indices, matrix.indptr[1:-1])
