"""The best targets of some sources, by the model's scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    import annlib

#: Candidates held at once where a search is widened, for memory's sake.
BLOCK_CANDIDATES = 1 << 21


class Found(NamedTuple):
    """The best targets of some sources: int64 rows, -1 for none, and float32 scores, NaN for none; ``(m, depth)``."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


class Search(Protocol):
    """Finds the best targets of sources, ties by row number."""

    def best(self, source_rows: NDArray[np.int64], depth: int) -> Found:
        """The ``depth`` best of each source; fewer only where there are no more."""


class ModelSearch:
    """By the model's scores.

    Parameters
    ----------
    index
        Index of the targets.
    vectors
        float32, shape ``(n_sources, d)``; None where the sources are the index's own items, each of which is then left
        out of its own list.
    exclude
        CSR of shape ``(n_sources, n_targets)``: targets to leave out of each source's list.
    allow
        bool, shape ``(n_targets,)``: the targets that any list may hold.
    recall
        Share of the best to find, on average; 1 finds all.
    """

    def __init__(
        self,
        index: annlib.Index,
        vectors: NDArray[np.float32] | None,
        *,
        exclude: csr_matrix | None = None,
        allow: NDArray[np.bool_] | None = None,
        recall: float = 1.0,
        num_threads: int = 0,
    ) -> None:
        self._index = index
        self._vectors = vectors
        self._exclude = exclude
        self._allow = allow
        self._recall = recall
        self._num_threads = num_threads

    def best(self, source_rows: NDArray[np.int64], depth: int) -> Found:
        """The ``depth`` best of each source."""
        left_out = None if self._exclude is None else self._exclude[source_rows]
        if self._vectors is None:
            found = self._index.neighbor_rows(
                depth,
                self._recall,
                rows=source_rows,
                exclude=left_out,
                allow=self._allow,
                num_threads=self._num_threads,
            )
        else:
            found = self._index.search_rows(
                self._vectors[source_rows],
                depth,
                recall=self._recall,
                exclude=left_out,
                allow=self._allow,
                num_threads=self._num_threads,
            )
        return Found(*found)


def blocks(positions: NDArray[np.int64], width: int) -> Iterator[NDArray[np.int64]]:
    """Parts of some positions, few enough that ``width`` candidates of each are within bounds."""
    size = max(1, BLOCK_CANDIDATES // max(1, width))
    for start in range(0, len(positions), size):
        yield positions[start : start + size]
