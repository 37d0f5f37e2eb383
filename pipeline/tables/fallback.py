"""Short lists, filled with what is popular."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.tables.caps import Cap, accept, compact, most_values
from pipeline.tables.searches import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


class Popular(NamedTuple):
    """What is recently popular.

    Attributes
    ----------
    order
        int64: rows of the targets that anybody had recently and that a list may hold, by the number of users who had
        them, most first, ties by row.
    shares
        float64, shape ``(n_targets,)``: that number as a share of the first's, in (0, 1]; 0 for all others.
    """

    order: NDArray[np.int64]
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, users: NDArray[np.int64], allow: NDArray[np.bool_] | None) -> Popular:
        """Rank targets by how many users had each recently, int64, shape ``(n_targets,)``."""
        counts = users if allow is None else np.where(allow, users, 0)
        order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        return cls(order, counts / max(1, int(counts.max(initial=0))))


def fill(
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    popular: Popular,
    *,
    exclude: csr_matrix | None,
    caps: Sequence[Cap],
) -> NDArray[np.bool_]:
    """Fill short lists, in place, as far as what is popular reaches: with nothing twice, left out, or beyond a cap.

    A popular target's score is its share less one, added to the last score of the model's part, or to 0 if that is
    above 0 or there is no such part: the lists stay sorted by their scores.

    Parameters
    ----------
    rows, scores
        int64 and float32, shape ``(m, k)``: the lists, best first, then -1 and NaN.
    popular
        What to fill them with.
    exclude
        CSR of shape ``(m, n_targets)``: what to leave out of each list.
    caps
        What must hold for the whole of a list.

    Returns
    -------
    bool, shape ``(m, k)``: what was filled in.
    """
    k = rows.shape[1]
    lengths = (rows >= 0).sum(axis=1)
    last = np.where(lengths > 0, scores[np.arange(len(rows)), np.maximum(lengths, 1) - 1], 0.0)
    base = np.minimum(last.astype(np.float64), 0.0)
    pending = np.flatnonzero(lengths < k)
    reach = 2 * k
    while len(pending):
        reach = min(reach, len(popular.order))
        for part in blocks(pending, (k + reach) * most_values(caps)):
            own = rows[part, :k].copy()
            own[np.arange(k) >= lengths[part, None]] = -1  # what an earlier, shallower look has filled in
            candidates = np.tile(popular.order[:reach], (len(part), 1))
            candidates[_left_out(candidates, own, None if exclude is None else exclude[part])] = -1
            both = np.concatenate([own, candidates], axis=1)
            rows[part] = compact(both, accept(both, caps, k), k, -1)
        pending = pending[(rows[pending, -1] < 0) & (reach < len(popular.order))]
        reach *= 2
    filled: NDArray[np.bool_] = (rows >= 0) & (np.arange(k) >= lengths[:, None])
    lists, _ = np.nonzero(filled)
    scores[filled] = base[lists] + popular.shares[rows[filled]] - 1.0
    return filled


def _left_out(candidates: NDArray[np.int64], own: NDArray[np.int64], exclude: csr_matrix | None) -> NDArray[np.bool_]:
    """Which candidates are in a list already, or are not to be."""
    lists = np.arange(len(candidates), dtype=np.int64)
    width = int(max(candidates.max(initial=0), own.max(initial=0))) + 1
    unwanted = (lists[:, None] * width + own)[own >= 0]
    if exclude is not None:
        owners, columns = np.repeat(lists, np.diff(exclude.indptr)), exclude.indices.astype(np.int64)
        near = columns < width
        unwanted = np.concatenate([unwanted, (owners * width + columns)[near]])
    found: NDArray[np.bool_] = np.isin(lists[:, None] * width + candidates, unwanted)
    return found
