"""The rows of a table, computed batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.tables.searches import ModelSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    import annlib

#: Vectors of an entity type that an index is calibrated on, at most.
CALIBRATION_QUERIES = 2_048
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
    relevance
        float32, shape ``(m, k)``: the model's own scores where a rule changed what is ranked by, else NaN; None where
        no rule did.
    popular
        bool, shape ``(m, k)``: what fills a short list because it is popular; None where nothing does.
    """

    source_rows: NDArray[np.int64]
    target_rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    relevance: NDArray[np.float32] | None = None
    popular: NDArray[np.bool_] | None = None


def calibration_sample(
    sources: Sequence[NDArray[np.float32]], size: int = CALIBRATION_QUERIES
) -> NDArray[np.float32] | None:
    """What an index is calibrated on: at most ``size`` vectors of each entity type that searches it, evenly spread.

    Parameters
    ----------
    sources
        The vectors of each entity type, float32, shape ``(n, d)``; may be memory-mapped.

    Returns
    -------
    float32, shape ``(m, d)``; None where nothing searches the index.
    """
    samples = [vectors[_spread(len(vectors), size)] for vectors in sources]
    return np.concatenate(samples) if samples else None


def neighbor_lists(
    index: annlib.Index,
    vectors: NDArray[np.float32] | None,
    source_rows: NDArray[np.int64],
    *,
    k: int,
    recall: float = 1.0,
    exclude: csr_matrix | None = None,
    allow: NDArray[np.bool_] | None = None,
    num_threads: int = 0,
    batch_lists: int = BATCH_LISTS,
) -> Iterator[Lists]:
    """Nearest neighbours of some sources, in batches of bounded memory.

    Parameters
    ----------
    index
        Index of the targets, whose rows are the vocabulary's.
    vectors
        float32, shape ``(n_sources, d)``; may be memory-mapped. None where the sources are the index's own items, each
        of which is then left out of its own list.
    source_rows
        Rows of the sources that are wanted, ascending.
    k
        Neighbours of each, at most.
    recall
        Share of them to find, on average; 1 finds all.
    exclude
        CSR of shape ``(n_sources, n_targets)``: targets to leave out of each source's list.
    allow
        bool, shape ``(n_targets,)``: the targets that any list may hold.
    """
    k = min(k, len(index))
    search = ModelSearch(index, vectors, exclude=exclude, allow=allow, recall=recall, num_threads=num_threads)
    for start in range(0, len(source_rows), batch_lists):
        rows = source_rows[start : start + batch_lists]
        yield Lists(rows, *search.best(rows, k))


class MeasuredRecall(NamedTuple):
    """The mean recall of sampled lists, from 0 to 1, and the standard error of that mean."""

    mean: float
    standard_error: float


class NeighborRecall:
    """Share of the exact neighbours that a table's lists hold, measured on a sample of them.

    The sample is spread evenly over the sources; the truth is that of :class:`pipeline.tables.oracle.Oracle`, so it
    judges the index, the rules, and everything between them and the table's rows.
    """

    def __init__(self, source_rows: NDArray[np.int64], sample_size: int) -> None:
        self._sample = np.unique(source_rows[_spread(len(source_rows), sample_size)])
        self._found: dict[int, NDArray[np.int64]] = {}

    def add(self, lists: Lists) -> None:
        """Remember the sampled lists of a batch."""
        for position in np.flatnonzero(np.isin(lists.source_rows, self._sample)):
            self._found[int(lists.source_rows[position])] = lists.target_rows[position]

    def measure(self, true_list: Callable[[int], NDArray[np.int64]]) -> MeasuredRecall:
        """Recall over the sample; 1 where there is nothing to find.

        Parameters
        ----------
        true_list
            Gives the target rows of the list that a source should have, by its row.
        """
        shares = []
        for source_row in self._sample.tolist():
            truth = true_list(source_row)
            if len(truth):
                shares.append(np.isin(truth, self._found[source_row]).mean())
        if not shares:
            return MeasuredRecall(1.0, 0.0)
        return MeasuredRecall(float(np.mean(shares)), float(np.std(shares) / np.sqrt(len(shares))))


def _spread(count: int, size: int) -> NDArray[np.int64]:
    """At most ``size`` of ``count`` positions, evenly spread."""
    return np.linspace(0, max(count - 1, 0), min(size, count)).astype(np.int64)
