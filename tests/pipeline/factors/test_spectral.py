"""The spectral model against a dense singular value decomposition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.factors.spectral import Spectral, SpectralSettings
from pipeline.progress import no_progress

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from pipeline.factors.base import Factors


def _fit(matrix: csr_matrix, **settings: float) -> tuple[Spectral, Factors]:
    model = Spectral(SpectralSettings.model_validate({"factors": 8, **settings}))
    return model, model.fit(matrix, seed=3, num_threads=1, progress=no_progress)


@pytest.mark.parametrize(("spectrum_power", "popularity_power"), [(0.5, 0.5), (0.0, 0.0), (1.0, 0.3)])
def test_scores_are_those_of_the_definition(
    confidences: csr_matrix, spectrum_power: float, popularity_power: float
) -> None:
    _, factors = _fit(confidences, spectrum_power=spectrum_power, popularity_power=popularity_power, iterations=16)
    dense = confidences.toarray().astype(np.float64)
    _, values, rows = np.linalg.svd(dense, full_matrices=False)
    values, directions = values[:8], rows[:8].T
    popularity = (dense > 0).sum(axis=0) ** popularity_power
    expected = dense @ directions * (values / values[0]) ** spectrum_power @ (directions * popularity[:, None]).T
    np.testing.assert_allclose(factors.user_factors @ factors.item_factors.T, expected, atol=2e-4 * abs(expected).max())
    np.testing.assert_allclose(factors.state["singular_values"], values, rtol=1e-4)


def test_folding_in_the_users_of_the_fit_gives_their_vectors(confidences: csr_matrix) -> None:
    model, factors = _fit(confidences)
    folded = model.fold_in_users(confidences, factors, num_threads=1)
    np.testing.assert_allclose(folded, factors.user_factors, atol=1e-5 * abs(folded).max())


def test_folding_in_the_items_of_the_fit_gives_their_vectors(confidences: csr_matrix) -> None:
    model, factors = _fit(confidences, iterations=16)
    folded = model.fold_in_items(confidences, factors, num_threads=1)
    np.testing.assert_allclose(folded, factors.item_factors, atol=2e-3 * abs(folded).max())


def test_contributions_are_the_terms_of_the_users_vector(confidences: csr_matrix) -> None:
    model, factors = _fit(confidences)
    row = confidences[[5]]
    for target in (2, 61):
        parts = model.contributions(row, factors, factors.item_factors[target])
        for entry, item in enumerate(row.indices):
            alone = row.copy()
            alone.data[:] = 0.0
            alone.data[entry] = row.data[entry]
            score = model.fold_in_users(alone, factors, num_threads=1)[0] @ factors.item_factors[target]
            assert parts[entry] == pytest.approx(score, rel=1e-4, abs=1e-6), item
        assert parts.sum() == pytest.approx(factors.user_factors[5] @ factors.item_factors[target], rel=1e-4)
