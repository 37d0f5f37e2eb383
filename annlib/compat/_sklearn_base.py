"""What scikit-learn's nearest-neighbour estimators share: samples, their index, and neighbours among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, MultiOutputMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from annlib import Index
from annlib.compat._sklearn_metrics import neighbor_metric
from annlib.compat._sklearn_parameters import check_algorithm, check_mode, check_n_neighbors, number_of_threads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from numpy.typing import ArrayLike, NDArray


class NeighborsEstimator(MultiOutputMixin, BaseEstimator):  # type: ignore[misc]
    """Samples, their index, and the neighbours of others among them."""

    n_neighbors: int
    algorithm: str
    metric: str
    p: float
    metric_params: Mapping[str, Any] | None
    n_jobs: int | None

    def _fit_samples(self, samples: NDArray[Any]) -> None:
        """Index validated samples of shape ``(n, d)``."""
        check_n_neighbors(self.n_neighbors)
        check_algorithm(self.algorithm)
        self._metric = neighbor_metric(self.metric, self.p, self.metric_params)
        self._fit_X = samples
        self.effective_metric_ = self._metric.name
        self.effective_metric_params_: dict[str, Any] = {}
        self.n_samples_fit_ = len(samples)
        self._build_index()

    def _build_index(self) -> None:
        vectors = self._metric.prepare(self._fit_X)
        self._index = Index.build(vectors, metric=self._metric.index_metric, num_threads=number_of_threads(self.n_jobs))

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_index"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_fit_X" in state:
            self._build_index()

    def kneighbors(
        self,
        X: ArrayLike | None = None,  # noqa: N803 (scikit-learn's name)
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Find the nearest samples.

        Parameters
        ----------
        X
            Queries, shape ``(m, d)``; None for the samples themselves, none of which is its own neighbour.
        n_neighbors
            How many, ``k``; None for the estimator's.
        return_distance
            Whether to return the distances too.

        Returns
        -------
        distances : NDArray[np.float64]
            Shape ``(m, k)``, ascending; only with ``return_distance``.
        rows : NDArray[np.int64]
            Shape ``(m, k)``.

        Raises
        ------
        ValueError
            There are fewer than ``k`` samples, or an argument is not as described.
        """
        check_is_fitted(self)
        queries = self._fit_X if X is None else self._validated_queries(X)
        rows = self._nearest_rows(None if X is None else queries, n_neighbors)
        distances = self._metric.distances(queries, self._fit_X, rows)
        order = np.argsort(distances, axis=1, kind="stable")
        rows = np.take_along_axis(rows, order, axis=1)
        return (np.take_along_axis(distances, order, axis=1), rows) if return_distance else rows

    def _validated_queries(self, queries: ArrayLike) -> NDArray[Any]:
        validated: NDArray[Any] = validate_data(self, queries, reset=False, order="C", dtype=[np.float64, np.float32])
        return validated

    def _nearest_rows(self, queries: NDArray[Any] | None, n_neighbors: int | None) -> NDArray[np.int64]:
        """Return the nearest samples of validated queries, in the order of the index; None for the samples."""
        k = check_n_neighbors(self.n_neighbors if n_neighbors is None else n_neighbors)
        available = self.n_samples_fit_ - (queries is None)
        if k > available:
            bound = "<" if queries is None else "<="
            raise ValueError(
                f"Expected n_neighbors {bound} n_samples_fit, but n_neighbors = {k}, n_samples_fit = "
                f"{self.n_samples_fit_}, n_samples = {self.n_samples_fit_ if queries is None else len(queries)}"
            )
        num_threads = number_of_threads(self.n_jobs)
        if queries is None:
            rows, _ = self._index.neighbor_rows(k, num_threads=num_threads)
        else:
            rows, _ = self._index.search_rows(self._metric.prepare(queries), k, num_threads=num_threads)
        return rows

    def kneighbors_graph(
        self,
        X: ArrayLike | None = None,  # noqa: N803
        n_neighbors: int | None = None,
        mode: Literal["connectivity", "distance"] = "connectivity",
    ) -> csr_matrix:
        """Make the graph of nearest samples.

        Parameters
        ----------
        X, n_neighbors
            As for :meth:`kneighbors`.
        mode
            Values of the edges: 1 under ``"connectivity"``, else the distance.

        Returns
        -------
        csr_matrix
            float64, shape ``(m, n)``, with ``k`` stored entries in each row, nearest first.
        """
        check_is_fitted(self)
        check_mode(mode)
        distances, rows = self.kneighbors(X, n_neighbors)
        values = np.ones_like(distances) if mode == "connectivity" else distances
        offsets = np.arange(0, rows.size + 1, rows.shape[1])
        return csr_matrix((values.ravel(), rows.ravel(), offsets), shape=(len(rows), self.n_samples_fit_))
