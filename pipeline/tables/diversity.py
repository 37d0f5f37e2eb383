"""Maximal marginal relevance: lists that do not say the same thing twice (Carbonell and Goldstein, SIGIR 1998)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.config import DiversitySettings

#: Numbers in the vectors and similarities of the candidates a thread takes at once, for memory's sake.
_BLOCK_NUMBERS = 1 << 20


def diversify(
    target_rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    targets: NDArray[np.float32],
    settings: DiversitySettings,
    k: int,
    *,
    num_threads: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Choose lists greedily: at each place the candidate with the highest value.

    That is ``lambda * relevance - (1 - lambda) * similarity``. A candidate's relevance is its score, scaled so that
    those of the list's candidates reach from 0 to 1 (all 1 where they are equal); its similarity is the highest cosine
    of its vector and that of one chosen before, 0 at the least and for a vector of zeros. Ties go to the candidate
    that came first. Since similarities only grow as a list does, the values never rise along it.

    Parameters
    ----------
    target_rows, scores
        int64 and float32, shape ``(m, c)``: the candidates, best first, then -1 and NaN.
    targets
        float32, shape ``(n, d)``: the vectors of the candidates.
    k
        Length of the lists, at most ``c``.
    num_threads
        0: all cores. Results do not depend on it.

    Returns
    -------
    rows, values
        int64 and float32, shape ``(m, min(k, c))``: what was chosen, in that order, and the value it was chosen by.
    """
    n_candidates = target_rows.shape[1]
    length = min(k, n_candidates)
    rows = np.full((len(target_rows), length), -1, dtype=np.int64)
    values = np.full(rows.shape, np.nan, dtype=np.float32)
    block = max(1, _BLOCK_NUMBERS // max(1, n_candidates * (n_candidates + targets.shape[1])))

    def choose(start: int) -> None:
        part = slice(start, start + block)
        chosen, value = _choose(target_rows[part], scores[part], targets, settings.lambda_, length)
        there = np.isfinite(value)
        rows[part] = np.where(there, np.take_along_axis(target_rows[part], chosen, axis=1), -1)
        values[part] = np.where(there, value, np.nan)

    # The products of a list are small: threads inside each would spend their time on waiting for each other.
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(num_threads or os.cpu_count()) as pool:
        for _ in pool.map(choose, range(0, len(target_rows), block)):
            pass
    return rows, values


def scaled_relevance(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores of the candidates of each list, ``(m, c)`` with NaN for none, on the scale from 0 to 1."""
    wide = scores.astype(np.float64)
    low = np.where(np.isnan(wide), np.inf, wide).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(np.isnan(wide), -np.inf, wide).max(axis=1, keepdims=True, initial=-np.inf)
    differ = high > low
    scaled = (wide - np.where(differ, low, 0.0)) / np.where(differ, high - low, 1.0)
    return np.where(differ, scaled, np.where(np.isnan(wide), np.nan, 1.0))


def _choose(
    target_rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    targets: NDArray[np.float32],
    weight: float,
    length: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of the chosen candidates, shape ``(m, length)``, and their values; -inf where there was none left."""
    similarities = _similarities(targets[np.maximum(target_rows, 0)])
    relevance = weight * scaled_relevance(scores)
    relevance[target_rows < 0] = -np.inf
    closest = np.zeros(relevance.shape)
    lists = np.arange(len(target_rows))
    chosen = np.empty((len(target_rows), length), dtype=np.int64)
    value = np.empty(chosen.shape)
    for place in range(length):
        current = relevance - (1.0 - weight) * closest
        best = np.argmax(current, axis=1)
        chosen[:, place], value[:, place] = best, current[lists, best]
        relevance[lists, best] = -np.inf
        np.maximum(closest, similarities[lists, best], out=closest)
    return chosen, value


def _similarities(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines of the vectors of each list, ``(m, c, d)`` to ``(m, c, c)``, 0 at the least.

    In float64 and rounded once to float32: what is left does not depend on the order in which products were summed.
    """
    units = vectors.astype(np.float64)
    norms = np.sqrt(np.einsum("...d,...d->...", units, units))[..., None]
    units /= np.where(norms > 0.0, norms, 1.0)
    return np.maximum(units @ units.transpose(0, 2, 1), 0.0).astype(np.float32)
