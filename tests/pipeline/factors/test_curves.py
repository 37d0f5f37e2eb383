"""Training curves: the loss of the definition, and one that falls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.factors.als import AlternatingLeastSquares
from pipeline.factors.bpr import BayesianPersonalizedRanking
from pipeline.factors.curves import RankingLoss, SquaredLoss
from pipeline.factors.lmf import LogisticMatrixFactorization
from pipeline.progress import no_progress


@pytest.fixture(scope="module")
def matrix():
    """Two tastes, with confidences; a user and an item without anything."""
    rng = np.random.default_rng(0)
    likes = rng.random((60, 40)) < np.where((np.arange(60)[:, None] + np.arange(40)) % 2, 0.4, 0.02)
    likes[7] = False
    likes[:, 3] = False
    return csr_matrix((likes * rng.uniform(0.5, 2.0, size=likes.shape)).astype(np.float32))


def test_the_squared_loss_is_the_sum_over_all_pairs(matrix):
    rng = np.random.default_rng(1)
    users, items = (rng.normal(size=(n, 5)).astype(np.float32) for n in matrix.shape)
    dense = matrix.toarray().astype(np.float64)
    confidences = np.where(dense > 0, 3.0 * dense, 1.0)
    errors = confidences * ((dense > 0) - users.astype(np.float64) @ items.T.astype(np.float64)) ** 2
    expected = errors[dense.any(axis=1)].sum() / np.count_nonzero(dense.any(axis=1))
    assert SquaredLoss(matrix, 3.0)(users, items) == pytest.approx(expected, rel=1e-5)


def test_the_ranking_loss_is_that_of_a_coin_at_first_and_none_at_best(matrix):
    loss = RankingLoss(matrix)
    users, items = np.zeros((60, 2), np.float32), np.zeros((40, 2), np.float32)
    assert loss(users, items) == pytest.approx(np.log(2))
    # Even users like odd items.
    users[::2, 0], users[1::2, 1], items[1::2, 0], items[::2, 1] = 1.0, 1.0, 1.0, 1.0
    assert loss(users, items) < np.log(2)


def test_whoever_has_everything_has_no_loss():
    full = csr_matrix(np.ones((4, 3), np.float32))
    assert RankingLoss(full)(np.ones((4, 2), np.float32), np.ones((3, 2), np.float32)) == 0.0


@pytest.mark.parametrize(
    "model",
    [AlternatingLeastSquares, BayesianPersonalizedRanking, LogisticMatrixFactorization],
    ids=lambda m: m.__name__,
)
def test_a_fit_has_a_curve_that_falls_the_same_each_time(matrix, model):
    settings = model.Settings.model_validate({"factors": 4, "iterations": 12})
    curves = [model(settings).fit(matrix, seed=1, num_threads=1, progress=no_progress).curve for _ in range(2)]
    assert curves[0] == curves[1]
    assert len(curves[0].values) == 12
    assert curves[0].values[-1] < curves[0].values[0]


def test_the_curve_of_als_does_not_depend_on_threads(matrix):
    model = AlternatingLeastSquares(AlternatingLeastSquares.Settings.model_validate({"factors": 4, "iterations": 5}))
    curves = [model.fit(matrix, seed=1, num_threads=n, progress=no_progress).curve for n in (1, 2)]
    assert curves[0] == curves[1]
