from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.factors.als import AlternatingLeastSquares, AlternatingLeastSquaresSettings
from pipeline.factors.base import Factors
from pipeline.progress import no_progress

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def _half_step(rows: csr_matrix, fixed: np.ndarray, settings: AlternatingLeastSquaresSettings) -> np.ndarray:
    """The normal equations of Hu, Koren & Volinsky, dense in float64."""
    fixed = fixed.astype(np.float64)
    result = np.zeros((rows.shape[0], fixed.shape[1]))
    for row in range(rows.shape[0]):
        confidence = settings.alpha * rows[[row]].toarray().ravel().astype(np.float64)
        observed = confidence > 0
        weights = np.where(observed, confidence, 1.0)
        system = (fixed.T * weights) @ fixed + settings.regularization * np.eye(fixed.shape[1])
        if observed.any():
            result[row] = np.linalg.solve(system, fixed.T @ np.where(observed, confidence, 0.0))
    return result


@pytest.mark.parametrize("factors", [1, 7, 32])
def test_fold_in_is_an_exact_half_step(confidences: csr_matrix, factors: int) -> None:
    settings = AlternatingLeastSquaresSettings(factors=factors, alpha=8.0, regularization=0.5)
    model = AlternatingLeastSquares(settings)
    fitted = model.fit(confidences, seed=1, num_threads=2, progress=no_progress)
    users = model.fold_in_users(confidences, fitted, num_threads=2)
    np.testing.assert_allclose(users, _half_step(confidences, fitted.item_factors, settings), rtol=2e-4, atol=2e-5)
    items = model.fold_in_items(confidences, fitted, num_threads=2)
    expected = _half_step(confidences.T.tocsr(), fitted.user_factors, settings)
    np.testing.assert_allclose(items, expected, rtol=2e-4, atol=2e-5)


def test_fold_in_uses_the_width_of_the_factors(confidences: csr_matrix) -> None:
    """The vectors say how wide they are, not the settings of the model that reads them."""
    fitted = AlternatingLeastSquares(AlternatingLeastSquaresSettings(factors=5)).fit(
        confidences, seed=1, num_threads=1, progress=no_progress
    )
    other = AlternatingLeastSquares(AlternatingLeastSquaresSettings(factors=9))
    assert other.fold_in_users(confidences, fitted, num_threads=1).shape == (120, 5)


def test_a_half_step_without_a_solution_is_a_clear_error(confidences: csr_matrix) -> None:
    settings = AlternatingLeastSquaresSettings(factors=4, regularization=1e-30)
    ones = Factors(np.ones((120, 4), np.float32), np.ones((80, 4), np.float32))
    with pytest.raises(DataError, match="regularization"):
        AlternatingLeastSquares(settings).fold_in_users(confidences, ones, num_threads=1)
