from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.config import QUALITY_METRICS
from pipeline.evaluation.metrics import RANKING_METRICS, CatalogueMetrics, hit_matrix, ranking_metrics


def test_one_list_by_hand() -> None:
    """Hits on ranks 2 and 4 of 5; three test items."""
    rows = np.array([[7, 1, 8, 2, 9]])
    test = csr_matrix((np.ones(3), [1, 2, 3], [0, 3]), shape=(1, 10))
    result = {name: values[0] for name, values in ranking_metrics(rows, test, (3, 5)).items()}
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    assert result == pytest.approx(
        {
            "recall@3": 1 / 3,
            "precision@3": 1 / 3,
            "ndcg@3": (1 / np.log2(3)) / ideal,
            "map@3": (1 / 2) / 3,
            "mrr@3": 1 / 2,
            "hit_rate@3": 1.0,
            "recall@5": 2 / 3,
            "precision@5": 2 / 5,
            "ndcg@5": (1 / np.log2(3) + 1 / np.log2(5)) / ideal,
            "map@5": (1 / 2 + 2 / 4) / 3,
            "mrr@5": 1 / 2,
            "hit_rate@5": 1.0,
        }
    )


@pytest.mark.parametrize("seed", range(5))
def test_matches_the_readable_twin(seed: int, slow_metrics: Any) -> None:
    rng = np.random.default_rng(seed)
    m, n_items, k = 40, 30, 12
    rows = np.array([rng.permutation(n_items)[:k] for _ in range(m)])
    for row in rows:
        row[rng.integers(0, k + 1) :] = -1
    pairs = rng.random((m, n_items)) < rng.uniform(0.02, 0.6, (m, 1))
    pairs[np.arange(m), rng.integers(0, n_items, m)] = True
    cutoffs = (1, 5, 12, 20)
    result = ranking_metrics(rows, csr_matrix(pairs, dtype=np.float32), cutoffs)
    for user in range(m):
        test = set(np.flatnonzero(pairs[user]).tolist())
        for cutoff in cutoffs:
            for name, value in slow_metrics(rows[user].tolist(), test, cutoff).items():
                assert result[name][user] == pytest.approx(value, abs=1e-12), name


def test_a_perfect_list_scores_one() -> None:
    test = csr_matrix(np.eye(3, 8, dtype=np.float32) + np.eye(3, 8, 3, dtype=np.float32))
    rows = np.array([[0, 3, 7], [4, 1, 7], [2, 5, 7]])
    result = ranking_metrics(rows, test, (2,))
    for name in RANKING_METRICS:
        np.testing.assert_allclose(result[f"{name}@2"], 1.0)


def test_padding_is_never_a_hit() -> None:
    """-1 in row 1 must not be read as the last item of row 0."""
    test = csr_matrix(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    assert not hit_matrix(np.array([[-1, -1], [-1, -1]]), test).any()


def test_lists_of_no_length_score_zero() -> None:
    result = ranking_metrics(np.empty((2, 0), dtype=np.int64), csr_matrix(np.eye(2)), (10,))
    assert all((values == 0.0).all() for values in result.values())


def test_a_user_without_test_items_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1 has none"):
        ranking_metrics(np.array([[0], [0]]), csr_matrix(np.array([[1.0, 0.0], [0.0, 0.0]])), (1,))


def test_lists_and_test_rows_must_match() -> None:
    with pytest.raises(ValueError, match="expected 1 rows, one for each list, got 2"):
        ranking_metrics(np.array([[0]]), csr_matrix(np.eye(2)), (1,))


def test_the_metrics_of_gates_exist() -> None:
    assert set(QUALITY_METRICS) <= set(RANKING_METRICS)


def test_coverage_and_novelty_by_hand() -> None:
    """Items had by 8, 4, 1 and 0 of 8 users: 0, 1 and 3 bits; the last cannot be recommended."""
    catalogue = CatalogueMetrics(np.array([8, 4, 1, 0]), n_users=8, n_catalogue=3, cutoffs=(1, 2))
    catalogue.add(np.array([[0, 1], [0, 2]]))
    catalogue.add(np.array([[1, -1]]))
    assert catalogue.result() == pytest.approx(
        {"coverage@1": 2 / 3, "coverage@2": 1.0, "novelty@1": 1 / 3, "novelty@2": (0 + 1 + 0 + 3 + 1) / 5}
    )


def test_novelty_of_nothing_is_zero() -> None:
    catalogue = CatalogueMetrics(np.array([1]), n_users=1, n_catalogue=1, cutoffs=(3,))
    catalogue.add(np.array([[-1, -1, -1]]))
    assert catalogue.result() == {"coverage@3": 0.0, "novelty@3": 0.0}
