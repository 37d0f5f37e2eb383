"""What the softmax model computes with: vectors of unit length, steps that turn them, and the best for fixed others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.factors.base import Vectors, effective_threads
from pipeline.factors.weighting import row_degrees

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

#: Fold-in: candidates stand for all, the same for every row that is solved.
SAMPLE_SIZE = 4096
#: Fold-in: steps of every row, and rows of a block of work.
STEPS = 40
BLOCK_ROWS = 256

#: What Adam forgets at each step of its means of gradients and of their squares.
_FIRST_DECAY, _SECOND_DECAY = np.float32(0.9), np.float32(0.99)
_TINY = np.float32(1e-20)
#: Vectors that are turned together: so many stay in the cache of a core between the lines that turn them.
_TURNED_AT_ONCE = 512


def unit(vectors: Vectors) -> Vectors:
    """The vectors at length 1; zero where they are zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Vectors = vectors / np.maximum(lengths, _TINY)
    return result


class Sphere:
    """Vectors of unit length, of which each batch turns some by a step of Adam (Kingma & Ba, ICLR 2015).

    The second moment is one number a vector, so that nothing depends on the choice of axes and a learning rate is an
    angle in radians: about the most that a vector turns at once. What a batch does not touch rests, moments and all.

    Parameters
    ----------
    vectors
        Where the vectors start, shape ``(n, d)``, of any length; zero stays zero until it is turned.

    Attributes
    ----------
    vectors
        float32, shape ``(n, d)``.
    """

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = unit(vectors)
        self._first = np.zeros_like(self.vectors)
        self._second = np.zeros((len(vectors), 1), dtype=np.float32)
        self._steps = np.zeros((len(vectors), 1), dtype=np.float32)

    def turn(self, rows: NDArray[np.intp], gradients: Vectors, angle: float) -> None:
        """Move some vectors against the gradients of a loss, each row at most once."""
        for start in range(0, len(rows), _TURNED_AT_ONCE):
            block = slice(start, start + _TURNED_AT_ONCE)
            self._turn(rows[block], gradients[block], np.float32(angle))

    def _turn(self, rows: NDArray[np.intp], gradients: Vectors, angle: np.float32) -> None:
        vectors, first, second, steps = (each[rows] for each in (self.vectors, self._first, self._second, self._steps))
        tangents = _tangents(vectors, gradients)
        second *= _SECOND_DECAY
        second += (1 - _SECOND_DECAY) * _squares(tangents)
        first *= _FIRST_DECAY
        tangents *= 1 - _FIRST_DECAY
        first += tangents
        steps += 1
        self._first[rows], self._second[rows], self._steps[rows] = first, second, steps
        root = np.sqrt(second / (1 - _SECOND_DECAY**steps)) * (1 - _FIRST_DECAY**steps)
        first *= angle / np.maximum(root, _TINY)
        vectors -= first
        vectors /= np.sqrt(_squares(vectors))
        self.vectors[rows] = vectors


def softmax(scores: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities of each row, in the place of the scores, and ``ln sum exp`` of the scores, shape ``(n, 1)``."""
    highest = scores.max(axis=1, keepdims=True)
    scores -= highest
    np.exp(scores, out=scores)
    sums = scores.sum(axis=1, keepdims=True)
    scores /= sums
    return scores, highest + np.log(sums)


def best_directions(rows: csr_matrix, others: Vectors, temperature: float, num_threads: int) -> Vectors:
    """Unit vectors that choose what they have among the others, which are held fixed.

    Each maximizes ``t . x - temperature ln sum_j exp(x . y_j / temperature)`` over the sphere, t being the mean of the
    y of its interactions, weighed by their confidences, and j a fixed sample: gradient steps from t, each row's own,
    longer after one that helped, shorter after one that did not and was taken back. Rows are solved in blocks that do
    not depend on the number of threads, so neither do the bytes.

    Parameters
    ----------
    rows
        Confidences, shape ``(m, n)``.
    others
        float32, shape ``(n, d)``: unit vectors, or zero for what is no candidate.
    temperature
        Of the softmax.
    num_threads
        Number of threads, 0 for all cores.

    Returns
    -------
    float32, shape ``(m, d)``; zero for a row without interactions.
    """
    candidates = np.flatnonzero(others.any(axis=1))
    if len(candidates) > SAMPLE_SIZE:
        candidates = np.sort(np.random.default_rng(0).choice(candidates, SAMPLE_SIZE, replace=False))
    sample = others[candidates]
    result = np.zeros((rows.shape[0], others.shape[1]), dtype=np.float32)

    def solve_block(start: int) -> None:
        block = rows[start : start + BLOCK_ROWS]
        totals = np.asarray(block.sum(axis=1), dtype=np.float32).reshape(-1, 1)
        targets = np.asarray((block @ others) / np.maximum(totals, _TINY), dtype=np.float32)
        result[start : start + BLOCK_ROWS] = _ascend(targets, sample, np.float32(temperature))

    with (
        threadpool_limits(limits=1, user_api="blas"),
        ThreadPoolExecutor(effective_threads(num_threads)) as executor,
    ):
        for _ in executor.map(solve_block, range(0, rows.shape[0], BLOCK_ROWS)):
            pass
    result[row_degrees(rows) == 0] = 0.0
    return result


def _ascend(targets: Vectors, sample: Vectors, temperature: np.float32) -> Vectors:
    def value_and_slope(x: Vectors) -> tuple[Vectors, Vectors]:
        chosen, log_sums = softmax((x @ sample.T) / temperature)
        value = np.einsum("ij,ij->i", targets, x)[:, np.newaxis] - temperature * log_sums
        return value, _tangents(x, targets - chosen @ sample)

    x = unit(targets)
    value, slope = value_and_slope(x)
    length = np.full((len(x), 1), temperature, dtype=np.float32)
    for _ in range(STEPS):
        tried = unit(x + length * slope)
        its_value, its_slope = value_and_slope(tried)
        better = its_value > value
        x, slope = np.where(better, tried, x), np.where(better, its_slope, slope)
        value = np.maximum(value, its_value)
        length *= np.where(better, np.float32(1.5), np.float32(0.5))
    return x


def _tangents(vectors: Vectors, gradients: Vectors) -> Vectors:
    """The gradients without their parts along the vectors, which are of unit length and stay so."""
    tangents: Vectors = np.einsum("ij,ij->i", vectors, gradients)[:, np.newaxis] * vectors
    np.subtract(gradients, tangents, out=tangents)
    return tangents


def _squares(vectors: Vectors) -> Vectors:
    """Squared lengths, shape ``(n, 1)``."""
    squares: Vectors = np.einsum("ij,ij->i", vectors, vectors)[:, np.newaxis]
    return squares
