"""BM25 is that of ``implicit``, wherever that is a confidence at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from implicit.nearest_neighbours import bm25_weight
from scipy.sparse import csr_matrix, vstack

from pipeline.factors.weighting import Weighting, WeightingSettings, weigh

if TYPE_CHECKING:
    from collections.abc import Callable


def _settings(k1: float = 100.0, b: float = 0.8, power: float = 0.0) -> WeightingSettings:
    return WeightingSettings(confidence="bm25", bm25_k1=k1, bm25_b=b, user_degree_power=power, item_degree_power=power)


def test_its_defaults_are_those_of_implicit(plays: csr_matrix) -> None:
    expected = bm25_weight(plays).tocsr().data
    settings = WeightingSettings(confidence="bm25", user_degree_power=0.0, item_degree_power=0.0)
    np.testing.assert_allclose(weigh(plays, settings).data, expected / expected.mean(), rtol=1e-5)


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (100.0, 0.0), (0.01, 1.0)])
def test_any_k1_and_b(plays: csr_matrix, k1: float, b: float) -> None:
    expected = bm25_weight(plays, K1=k1, B=b).tocsr().data
    result = weigh(plays, _settings(k1, b))
    np.testing.assert_allclose(result.data, expected / expected.mean(), rtol=1e-5)
    assert result.data.mean(dtype=np.float64) == pytest.approx(1.0, abs=1e-6)


def test_degrees_damp_it_as_they_damp_the_others(plays: csr_matrix) -> None:
    weighted = bm25_weight(plays).toarray()
    damped = weighted / np.sqrt((plays.toarray() > 0).sum(axis=1)[:, None] * np.maximum(1, (plays > 0).sum(axis=0)))
    expected = np.asarray(damped)[plays.toarray() > 0]
    np.testing.assert_allclose(weigh(plays, _settings(power=0.5)).data, expected / expected.mean(), rtol=1e-5)


@pytest.mark.parametrize("missing", [0, 1])
def test_an_item_of_nearly_everybody_keeps_the_least_confidence(missing: int) -> None:
    """Implicit gives it none, or less than none."""
    dense = np.zeros((6, 3), np.float32)
    dense[missing:, 0] = 1.0
    dense[:4, 1] = 1.0
    dense[:2, 2] = 1.0
    reference = bm25_weight(csr_matrix(dense)).toarray()
    assert (reference[missing:, 0] <= 1e-12).all()
    confidences = weigh(csr_matrix(dense), _settings(b=0.0)).toarray()
    assert (confidences[missing:, 0] > 0.0).all()
    assert confidences[5, 0] == pytest.approx(confidences[0, 1])
    assert confidences[0, 1] < confidences[0, 2]


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 1)])
def test_tiny_matrices_have_confidences(shape: tuple[int, int]) -> None:
    np.testing.assert_allclose(weigh(csr_matrix(np.ones(shape, np.float32)), _settings()).toarray(), np.ones(shape))


def test_a_fresh_history_weighs_by_the_idf_and_the_mean_length_of_the_fit(
    plays: csr_matrix, make_plays: Callable[..., csr_matrix]
) -> None:
    fresh = make_plays(7, seed=5)
    weighting = Weighting.fit(plays, _settings())
    n_users, degrees = plays.shape[0], np.bincount(plays.indices, minlength=plays.shape[1])
    idf = np.log(n_users / (1.0 + degrees))
    lengths, mean = fresh.toarray().sum(axis=1), plays.toarray().sum(axis=1).mean()
    dense = fresh.toarray().astype(np.float64)
    expected = dense * 101.0 / (100.0 * (0.2 + 0.8 * lengths[:, None] / mean) + dense) * idf / weighting.scale
    np.testing.assert_allclose(weighting.transform_users(fresh).toarray(), expected, rtol=1e-5)
    # And not as a fit that they are part of would weigh them.
    together = weigh(vstack([plays, fresh]).tocsr(), _settings())[n_users:]
    assert not np.allclose(together.data, weighting.transform_users(fresh).data, rtol=1e-3)


def test_new_items_weigh_by_the_lengths_of_the_users_of_the_fit(plays: csr_matrix) -> None:
    weighting = Weighting.fit(plays, _settings())
    doubled = plays[:, [3, 4]] * 2.0
    dense, lengths = doubled.toarray().astype(np.float64), plays.toarray().sum(axis=1)
    idf = np.log(plays.shape[0] / (1.0 + (dense > 0).sum(axis=0)))
    discount = 100.0 * (0.2 + 0.8 * lengths[:, None] / lengths.mean())
    expected = dense * 101.0 / (discount + dense) * idf / weighting.scale
    np.testing.assert_allclose(weighting.transform_items(doubled.tocsr()).toarray(), expected, rtol=1e-5)
