"""scikit-learn's metrics by their names there: how annlib finds the neighbours, and what their distances are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from annlib.metric import Metric

#: Components of neighbours that are gathered at a time, for memory's sake.
_BLOCK_COMPONENTS = 1 << 21


@dataclass(frozen=True)
class NeighborMetric:
    """One of scikit-learn's metrics.

    Attributes
    ----------
    name
        Its name there.
    index_metric
        The metric of the index.
    prepare
        Makes the vectors to index, or to search for, of samples of shape ``(n, d)``.
    distance
        The definition, in float64: queries of shape ``(m, 1, d)`` and neighbours of shape ``(m, k, d)`` to ``(m, k)``.
    """

    name: str
    index_metric: Metric
    prepare: Callable[[NDArray[Any]], NDArray[Any]]
    distance: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

    def distances(self, queries: NDArray[Any], samples: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distances of queries ``(m, d)`` to the samples whose rows are given, ``(m, k)``, in float64."""
        found = np.empty(rows.shape)
        block = max(1, _BLOCK_COMPONENTS // max(1, rows.shape[1] * samples.shape[1]))
        for start in range(0, len(rows), block):
            part = slice(start, start + block)
            wide = queries[part, np.newaxis].astype(np.float64)
            found[part] = self.distance(wide, samples[rows[part]].astype(np.float64))
        return found


def neighbor_metric(metric: object, p: float, metric_params: Mapping[str, Any] | None) -> NeighborMetric:
    """Return a metric by the name, and the parameters, that scikit-learn gives it.

    Raises
    ------
    ValueError
        annlib does not have it.
    """
    if metric_params:
        raise ValueError(f"metric_params: expected None, as no metric of annlib has parameters, got {metric_params!r}")
    if metric == "minkowski":
        if p not in {1, 2}:
            raise ValueError(f"p: expected 1 (manhattan) or 2 (euclidean) with metric='minkowski', got {p!r}")
        return _MANHATTAN if p == 1 else _EUCLIDEAN
    if not isinstance(metric, str) or metric not in _METRICS:
        raise ValueError(f"metric: expected one of minkowski, {', '.join(_METRICS)}, got {metric!r}")
    return _METRICS[metric]


def _unchanged(samples: NDArray[Any]) -> NDArray[Any]:
    return samples


def _directions(samples: NDArray[Any]) -> NDArray[Any]:
    """Samples at a length of 1; zero vectors stay zero."""
    norms = np.linalg.norm(samples, axis=-1, keepdims=True)
    directions: NDArray[Any] = samples / np.where(norms == 0, 1, norms)
    return directions


def _squared_distance(queries: NDArray[np.float64], neighbors: NDArray[np.float64]) -> NDArray[np.float64]:
    differences = queries - neighbors
    squares: NDArray[np.float64] = np.einsum("mkd,mkd->mk", differences, differences)
    return squares


def _euclidean_distance(queries: NDArray[np.float64], neighbors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(_squared_distance(queries, neighbors))


def _manhattan_distance(queries: NDArray[np.float64], neighbors: NDArray[np.float64]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.abs(queries - neighbors).sum(axis=2)
    return total


def _cosine_distance(queries: NDArray[np.float64], neighbors: NDArray[np.float64]) -> NDArray[np.float64]:
    """``1 - cos``, as half the squared distance of directions: exactly 0 for equal ones; 1 to a zero vector."""
    distances = _squared_distance(_directions(queries), _directions(neighbors)) / 2
    distances[~neighbors.any(axis=2) | ~queries.any(axis=2)] = 1.0
    return distances


def _hamming_distance(queries: NDArray[np.float64], neighbors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the components that differ."""
    share: NDArray[np.float64] = (queries != neighbors).mean(axis=2)
    return share


_EUCLIDEAN = NeighborMetric("euclidean", "euclidean", _unchanged, _euclidean_distance)
_MANHATTAN = NeighborMetric("manhattan", "manhattan", _unchanged, _manhattan_distance)
_METRICS = {
    "euclidean": _EUCLIDEAN,
    "l2": _EUCLIDEAN,
    "sqeuclidean": NeighborMetric("sqeuclidean", "euclidean", _unchanged, _squared_distance),
    "manhattan": _MANHATTAN,
    "l1": _MANHATTAN,
    "cityblock": _MANHATTAN,
    # By the inner product of directions: a zero vector is at a distance of 1, and not, as in annlib's cosine, nowhere.
    "cosine": NeighborMetric("cosine", "inner_product", _directions, _cosine_distance),
    "hamming": NeighborMetric("hamming", "hamming", _unchanged, _hamming_distance),
}
