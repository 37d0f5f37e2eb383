"""What the models of ``implicit`` share: input it accepts, single-threaded BLAS, progress, and checked results."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from pipeline.errors import DataError
from pipeline.factors.base import Factors, TrainingCurve, Vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.factors.base import Watch
    from pipeline.factors.curves import Loss
    from pipeline.progress import Progress


def implicit_versions() -> dict[str, str]:
    """Versions of what computes the models of ``implicit``."""
    return {package: version(package) for package in ("implicit", "numpy", "scipy")}


def implicit_input(matrix: csr_matrix) -> csr_matrix:
    """The matrix as compiled code takes it: float32 values, one writable index type; copies only what differs."""
    wide = max(matrix.nnz, *matrix.shape) > np.iinfo(np.int32).max
    index = np.int64 if wide else np.int32
    data = np.require(matrix.data, np.float32, ["C", "W"])
    indices = np.require(matrix.indices, index, ["C", "W"])
    indptr = np.require(matrix.indptr, index, ["C", "W"])
    return csr_matrix((data, indices, indptr), shape=matrix.shape)


def check_fit_input(user_items: csr_matrix) -> csr_matrix:
    """:func:`implicit_input` of a matrix to fit, which must have an interaction."""
    if user_items.nnz == 0:
        n_users, n_items = user_items.shape
        raise DataError(f"nothing to factorize: no interactions between {n_users} users and {n_items} items")
    return implicit_input(user_items)


class _EnoughError(Exception):
    """A watched fit has shown enough; the one way to end a fit of ``implicit`` between iterations."""


def fit(
    name: str,
    make_model: Callable[[], Any],
    user_items: csr_matrix,
    iterations: int,
    progress: Progress,
    make_loss: Callable[[csr_matrix], Loss],
) -> Factors:
    """Fit a model of ``implicit``; its factors, checked, and its loss after each pass."""
    matrix = check_fit_input(user_items)
    loss, losses = make_loss(matrix), list[float]()
    report = report_iterations(progress, iterations)
    with quiet_implicit(name):
        model = make_model()

        def callback(iteration: int, *_: object) -> None:
            report(iteration)
            with np.errstate(over="ignore", invalid="ignore"):  # of a fit that diverges, which is told at the end
                losses.append(loss(model.user_factors, model.item_factors))

        model.fit(matrix, show_progress=False, callback=callback)
    factors = checked(name, matrix, model)
    # Vectors within float32 can have a loss beyond it, which is no curve to look at.
    return replace(factors, curve=TrainingCurve(loss.measure, tuple(losses))) if np.isfinite(losses).all() else factors


def watch_fit(
    name: str,
    make_model: Callable[[], Any],
    user_items: csr_matrix,
    iterations: int,
    progress: Progress,
    watch: Watch,
) -> None:
    """Fit a model of ``implicit`` under the eyes of ``watch``; see :meth:`~pipeline.factors.base.Factorizer.watch_fit`.

    Models of ``implicit`` draw random numbers pass by pass, so that n passes are the same in a fit of any length.
    """
    matrix = check_fit_input(user_items)
    report = report_iterations(progress, iterations)
    with quiet_implicit(name), suppress(_EnoughError):
        model = make_model()

        def factors() -> Factors:
            # Copies: the fit goes on with its own, zeros or not.
            so_far = SimpleNamespace(user_factors=model.user_factors.copy(), item_factors=model.item_factors.copy())
            return checked(name, matrix, so_far)

        def callback(iteration: int, *_: object) -> None:
            report(iteration)
            if not watch(iteration + 1, factors):
                raise _EnoughError

        model.fit(matrix, show_progress=False, callback=callback)


def report_iterations(progress: Progress, iterations: int) -> Callable[..., None]:
    """Callback for ``fit`` of implicit 0.7: ``(iteration, seconds, ...)``, the iteration counted from 0."""

    def report(iteration: int, *_: object) -> None:
        progress((iteration + 1) / iterations, f"iteration {iteration + 1} of {iterations}")

    return report


@contextmanager
def quiet_implicit(model: str) -> Iterator[None]:
    """Hold BLAS to one thread, and turn what ``implicit`` raises of a failed fit into a :class:`DataError`.

    With one BLAS thread the sums of a fit have one order, so its bytes do not depend on the number of threads;
    ``implicit`` parallelizes over rows itself, and is slower where BLAS competes with it.
    """
    from implicit.recommender_base import ModelFitError

    with threadpool_limits(limits=1, user_api="blas"):
        try:
            yield
        except ModelFitError as error:
            raise diverged(model, str(error)) from error


def checked(model: str, user_items: csr_matrix, fitted: Any) -> Factors:
    """Factors of a fitted model: finite, float32, zero for rows and columns without interactions."""
    user_factors = np.ascontiguousarray(fitted.user_factors, dtype=np.float32)
    item_factors = np.ascontiguousarray(fitted.item_factors, dtype=np.float32)
    user_factors[np.diff(user_items.indptr) == 0] = 0.0
    item_factors[np.bincount(user_items.indices, minlength=user_items.shape[1]) == 0] = 0.0
    factors = Factors(checked_vectors(model, user_factors), checked_vectors(model, item_factors))
    largest = _largest_norm(user_factors) * _largest_norm(item_factors)
    if largest > float(np.finfo(np.float32).max):
        raise diverged(model, f"scores of up to {largest:.3g} leave the range of float32")
    return factors


def checked_vectors(model: str, vectors: Vectors) -> Vectors:
    """The vectors, which must be finite."""
    if not np.isfinite(vectors).all():
        rows = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        raise diverged(model, f"{len(rows)} of {len(vectors)} vectors are not finite, the first in row {rows[0]}")
    return vectors


def _largest_norm(vectors: Vectors) -> float:
    return float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64).max()))


def diverged(model: str, what: str) -> DataError:
    """Error of a fit whose result cannot be used."""
    return DataError(
        f"factorize.model = {model!r}: the fit diverged: {what}",
        hint="Raise factorize.regularization, lower factorize.alpha or factorize.learning_rate where the model has it, "
        "or set weighting.confidence to 'log1p' or 'binary'.",
    )
