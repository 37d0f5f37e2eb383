"""Parameters of scikit-learn's nearest-neighbour estimators, checked by name."""

from __future__ import annotations

import numbers
import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ALGORITHMS = ("auto", "ball_tree", "kd_tree", "brute")


def check_n_neighbors(value: object) -> int:
    """Return a number of neighbours, at least 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"n_neighbors: expected an integer, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"n_neighbors: expected at least 1, got {value}")
    return int(value)


def check_algorithm(value: object) -> None:
    """Refuse what is not one of scikit-learn's algorithms."""
    if value not in _ALGORITHMS:
        raise ValueError(f"algorithm: expected one of {', '.join(_ALGORITHMS)}, got {value!r}")


def check_mode(value: object) -> None:
    """Refuse what is not a kind of graph."""
    if value not in {"connectivity", "distance"}:
        raise ValueError(f"mode: expected 'connectivity' or 'distance', got {value!r}")


def check_weights(value: object) -> None:
    """Refuse what does not make weights of distances."""
    if value is not None and value not in {"uniform", "distance"} and not callable(value):
        raise ValueError(f"weights: expected 'uniform', 'distance', a callable or None, got {value!r}")


def number_of_threads(n_jobs: int | None) -> int:
    """Return the threads that ``n_jobs`` means, 0 for all cores: -1 is all of them, -2 all but one."""
    if n_jobs is None:
        return 0
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, numbers.Integral):
        raise TypeError(f"n_jobs: expected an integer or None, got {type(n_jobs).__name__}")
    if n_jobs == 0:
        raise ValueError("n_jobs: expected an integer other than 0, or None, got 0")
    return int(n_jobs) if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + int(n_jobs))


def weights_of(distances: NDArray[np.float64], weights: Any) -> NDArray[Any]:
    """Weights of neighbours at distances of shape ``(m, k)``; under ``"distance"``, those at 0 count alone."""
    if weights in (None, "uniform"):
        return np.ones_like(distances)
    if weights != "distance":
        return np.asarray(weights(distances))
    touching = distances == 0
    with np.errstate(divide="ignore", over="ignore"):
        inverse = 1.0 / distances
    touching |= np.isinf(inverse)
    return np.where(touching.any(axis=1, keepdims=True), touching, inverse)
