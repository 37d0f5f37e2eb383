"""scikit-learn's nearest-neighbour estimators, searched by annlib.

Import them in place of scikit-learn's own::

    from annlib.compat.sklearn import KNeighborsClassifier, KNeighborsRegressor, KNeighborsTransformer

Parameters, methods and results are those of :mod:`sklearn.neighbors`:

``n_neighbors``, ``weights``, ``mode``
    As there.
``metric``, ``p``, ``metric_params``
    ``"minkowski"`` with ``p`` of 1 or 2, ``"euclidean"`` or ``"l2"``, ``"sqeuclidean"``, ``"manhattan"``, ``"l1"`` or
    ``"cityblock"``, ``"cosine"`` (1 - cos), ``"hamming"`` (the share of components that differ); no ``metric_params``.
``algorithm``, ``leaf_size``
    Accepted, and without effect: results are exact.
``n_jobs``
    Threads; None and -1 mean all cores, -2 all but one.

Samples are dense. Which are neighbours is decided on float32: samples that differ by less than its precision, a
16-millionth of their size, are alike to the index (centre those that lie far from the origin). Their distances are
computed from the samples as they are, in float64. Among equals, the lower row comes first.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from sklearn.base import ClassifierMixin, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from annlib.compat._sklearn_base import NeighborsEstimator
from annlib.compat._sklearn_parameters import check_mode, check_weights, weights_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, NDArray
    from scipy.sparse import csr_matrix

    Mode = Literal["connectivity", "distance"]
    Weights = Literal["uniform", "distance"] | Callable[[NDArray[np.float64]], ArrayLike] | None

__all__ = ["KNeighborsClassifier", "KNeighborsRegressor", "KNeighborsTransformer"]


class KNeighborsTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NeighborsEstimator):  # type: ignore[misc]
    """Samples to the graph of their nearest neighbours among those that it was fitted on.

    The graph is what estimators of ``metric="precomputed"`` take (TSNE, DBSCAN, Isomap), and ``SpectralClustering``
    with ``affinity="precomputed_nearest_neighbors"``. Parameters are described in :mod:`annlib.compat.sklearn`.

    Parameters
    ----------
    mode
        ``"distance"``: values are distances, and rows have ``n_neighbors + 1`` entries, as each sample that was fitted
        is its own neighbour too. ``"connectivity"``: values are 1, and rows have ``n_neighbors`` entries.
    n_neighbors, algorithm, leaf_size, metric, p, metric_params, n_jobs
        As for all estimators here.
    """

    def __init__(
        self,
        *,
        mode: Mode = "distance",
        n_neighbors: int = 5,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: str = "minkowski",
        p: float = 2,
        metric_params: Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.mode = mode
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: N803
        """Index samples of shape ``(n, d)``; ``y`` is ignored."""
        check_mode(self.mode)
        self._fit_samples(validate_data(self, X, order="C", dtype=[np.float64, np.float32]))
        self._n_features_out = self.n_samples_fit_
        return self

    def transform(self, X: ArrayLike) -> csr_matrix:  # noqa: N803
        """Return the graph of samples ``(m, d)``, float64 ``(m, n)``."""
        check_is_fitted(self)
        return self.kneighbors_graph(X, self.n_neighbors + (self.mode == "distance"), self.mode)

    def fit_transform(self, X: ArrayLike, y: object = None) -> csr_matrix:  # noqa: N803
        """Index samples and return their graph."""
        return self.fit(X).transform(X)


class _SupervisedNeighbors(NeighborsEstimator):
    """What the classifier and the regressor share: their parameters, and neighbours with weights."""

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        weights: Weights = "uniform",
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float = 2,
        metric: str = "minkowski",
        metric_params: Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def _validated_samples(self, samples: ArrayLike, targets: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        check_weights(self.weights)
        validated: tuple[NDArray[Any], NDArray[Any]] = validate_data(
            self, samples, targets, multi_output=True, order="C", dtype=[np.float64, np.float32]
        )
        return validated

    def _weighted_neighbors(self, queries: ArrayLike | None) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Rows and weights of the neighbours that predict, each of shape ``(m, k)``."""
        check_is_fitted(self)
        if self.weights in (None, "uniform"):  # no need of distances
            rows = self._nearest_rows(None if queries is None else self._validated_queries(queries), None)
            return rows, np.ones(rows.shape)
        distances, rows = self.kneighbors(queries)
        return rows, weights_of(distances, self.weights)


class KNeighborsClassifier(ClassifierMixin, _SupervisedNeighbors):  # type: ignore[misc]
    """Votes of the nearest neighbours; parameters are described in :mod:`annlib.compat.sklearn`.

    Parameters
    ----------
    n_neighbors
        How many vote.
    weights
        ``"uniform"`` or None: one vote each. ``"distance"``: votes of the inverse distance; neighbours at no distance
        vote alone. A callable: the weights of distances of shape ``(m, k)``, of the same shape.
    algorithm, leaf_size, p, metric, metric_params, n_jobs
        As for all estimators here.

    Attributes
    ----------
    classes_
        The classes, ascending; a list of arrays where there are several outputs.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Index samples of shape ``(n, d)`` with their classes, shape ``(n,)`` or ``(n, outputs)``."""
        samples, targets = self._validated_samples(X, y)
        if targets.ndim == 2 and targets.shape[1] == 1:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
                "(n_samples,), for example using ravel().",
                DataConversionWarning,
                stacklevel=2,
            )
            targets = targets.ravel()
        check_classification_targets(targets)
        self.outputs_2d_ = targets.ndim == 2
        encoded = [np.unique(column, return_inverse=True) for column in targets.reshape(len(targets), -1).T]
        self.classes_: Any = [classes for classes, _ in encoded] if self.outputs_2d_ else encoded[0][0]
        self._y = np.stack([codes.ravel() for _, codes in encoded], axis=1)
        self._fit_samples(samples)
        return self

    def predict_proba(self, X: ArrayLike | None) -> Any:  # noqa: N803
        """Return the shares of the votes.

        Parameters
        ----------
        X
            Samples, shape ``(m, d)``; None for those it was fitted on, none of which votes for itself.

        Returns
        -------
        NDArray[np.float64] or list
            Shape ``(m, classes)``; a list of such arrays where there are several outputs.
        """
        shares = self._shares(X)
        return shares if self.outputs_2d_ else shares[0]

    def predict(self, X: ArrayLike | None) -> NDArray[Any]:  # noqa: N803
        """Return the classes of most votes, ties to the first of them; shape ``(m,)`` or ``(m, outputs)``."""
        shares = self._shares(X)
        classes = self.classes_ if self.outputs_2d_ else [self.classes_]
        labels = [found[share.argmax(axis=1)] for found, share in zip(classes, shares, strict=True)]
        return np.stack(labels, axis=1) if self.outputs_2d_ else labels[0]

    def _shares(self, queries: ArrayLike | None) -> list[NDArray[np.float64]]:
        rows, weights = self._weighted_neighbors(queries)
        if not weights.any(axis=1).all():
            raise ValueError(
                "All neighbors of some sample is getting zero weights. Please modify 'weights' to avoid this case if "
                "you are using a user-defined function."
            )
        shares = []
        classes = self.classes_ if self.outputs_2d_ else [self.classes_]
        for output, found in enumerate(classes):
            votes = np.zeros((len(rows), len(found)))
            for codes, weight in zip(self._y[rows, output].T, weights.T, strict=True):
                votes[np.arange(len(rows)), codes] += weight
            shares.append(votes / votes.sum(axis=1, keepdims=True))
        return shares

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class KNeighborsRegressor(RegressorMixin, _SupervisedNeighbors):  # type: ignore[misc]
    """Means of the nearest neighbours' targets; parameters are described in :mod:`annlib.compat.sklearn`.

    Parameters
    ----------
    n_neighbors
        How many targets are averaged.
    weights
        ``"uniform"`` or None: the plain mean. ``"distance"``: weighted by the inverse distance; neighbours at no
        distance count alone. A callable: the weights of distances of shape ``(m, k)``, of the same shape.
    algorithm, leaf_size, p, metric, metric_params, n_jobs
        As for all estimators here.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Index samples of shape ``(n, d)`` with their targets, shape ``(n,)`` or ``(n, outputs)``."""
        samples, self._y = self._validated_samples(X, y)
        self._fit_samples(samples)
        return self

    def predict(self, X: ArrayLike | None) -> NDArray[Any]:  # noqa: N803
        """Return the predicted targets.

        Parameters
        ----------
        X
            Samples, shape ``(m, d)``; None for those it was fitted on, none of which counts for itself.

        Returns
        -------
        NDArray
            Shape ``(m,)`` or ``(m, outputs)``.
        """
        rows, weights = self._weighted_neighbors(X)
        targets = self._y[rows].reshape(*rows.shape, -1)
        predicted: NDArray[Any] = np.einsum("mk,mkt->mt", weights, targets) / weights.sum(axis=1, keepdims=True)
        return predicted if self._y.ndim == 2 else predicted.ravel()
