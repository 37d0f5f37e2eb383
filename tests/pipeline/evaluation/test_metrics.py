from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pytrec_eval
from scipy.sparse import csr_matrix

from pipeline.config import QUALITY_METRICS
from pipeline.evaluation.metrics import RANKING_METRICS, CatalogueMetrics, Diversity, hit_matrix, ranking_metrics


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


def _random_lists(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Lists of up to 12 of 30 items for 40 users, and a mask of what was held out, at least one for each."""
    rng = np.random.default_rng(seed)
    m, n_items, k = 40, 30, 12
    rows = np.array([rng.permutation(n_items)[:k] for _ in range(m)])
    for row in rows:
        row[rng.integers(0, k + 1) :] = -1
    pairs = rng.random((m, n_items)) < rng.uniform(0.02, 0.6, (m, 1))
    pairs[np.arange(m), rng.integers(0, n_items, m)] = True
    return rows, pairs


@pytest.mark.parametrize("seed", range(5))
def test_matches_the_readable_twin(seed: int, slow_metrics: Any) -> None:
    rows, pairs = _random_lists(seed)
    cutoffs = (1, 5, 12, 20)
    result = ranking_metrics(rows, csr_matrix(pairs, dtype=np.float32), cutoffs)
    for user in range(len(rows)):
        test = set(np.flatnonzero(pairs[user]).tolist())
        for cutoff in cutoffs:
            for name, value in slow_metrics(rows[user].tolist(), test, cutoff).items():
                assert result[name][user] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("k", [1, 5, 10, 20])
def test_matches_trec_eval(k: int) -> None:
    """The reference of the field, which divides average precision by all test items rather than the reachable ones."""
    rows, pairs = _random_lists(seed=7)
    truth = {str(user): {str(item): 1 for item in np.flatnonzero(test)} for user, test in enumerate(pairs)}
    # Its measures without a cutoff, such as the reciprocal rank, look at the whole list.
    runs = {
        str(user): {str(item): float(-rank) for rank, item in enumerate(row[:k]) if item >= 0}
        for user, row in enumerate(rows)
    }
    measures = {f"{name}.{k}" for name in ("recall", "P", "ndcg_cut", "map_cut", "success")} | {"recip_rank"}
    theirs = pytrec_eval.RelevanceEvaluator(truth, measures).evaluate(runs)
    ours = ranking_metrics(rows, csr_matrix(pairs, dtype=np.float32), (k,))
    names = {
        f"recall@{k}": f"recall_{k}",
        f"precision@{k}": f"P_{k}",
        f"ndcg@{k}": f"ndcg_cut_{k}",
        f"map@{k}": f"map_cut_{k}",
        f"mrr@{k}": "recip_rank",
        f"hit_rate@{k}": f"success_{k}",
    }
    assert names.keys() == ours.keys()
    compared = 0
    for user, test in enumerate(pairs):
        if not runs[str(user)]:
            continue  # trec_eval leaves out who has no list
        compared += 1
        size = np.count_nonzero(test)
        for mine, other in names.items():
            scale = size / min(size, k) if mine.startswith("map") else 1.0
            assert ours[mine][user] == pytest.approx(theirs[str(user)][other] * scale, abs=1e-12), (mine, user)
    assert compared > 30


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


def test_the_catalogue_by_hand() -> None:
    """Items had by 8, 4, 1 and 0 of 8 users: 0, 1 and 3 bits; the last cannot be recommended."""
    catalogue = CatalogueMetrics(np.array([8, 4, 1, 0]), n_users=8, cutoffs=(1, 2))
    catalogue.add(np.array([[0, 1], [0, 2]]))
    catalogue.add(np.array([[1, -1]]))
    # Counts 0, 1, 2 of places at 1, and 1, 2, 2 at 2.
    assert catalogue.result() == pytest.approx(
        {
            "coverage@1": 2 / 3,
            "coverage@2": 1.0,
            "gini@1": (0 * -2 + 1 * 0 + 2 * 2) / (3 * 3),
            "gini@2": (1 * -2 + 2 * 0 + 2 * 2) / (3 * 5),
            "novelty@1": 1 / 3,
            "novelty@2": (0 + 1 + 0 + 3 + 1) / 5,
        }
    )


def test_gini_is_half_the_relative_mean_difference() -> None:
    """The coefficient as Gini defined it, over all pairs of items."""
    rng = np.random.default_rng(1)
    rows = (rng.random((200, 6)) ** 3 * 40).astype(np.int64)
    catalogue = CatalogueMetrics(np.ones(40, dtype=np.int64), n_users=1, cutoffs=(6,))
    catalogue.add(rows)
    counts = np.bincount(rows.ravel(), minlength=40)
    expected = np.abs(counts[:, None] - counts).mean() / (2 * counts.mean())
    assert catalogue.result()["gini@6"] == pytest.approx(expected)


def test_gini_of_equal_and_of_all_in_one() -> None:
    for rows, expected in ((np.array([[0], [1], [2], [3]]), 0.0), (np.zeros((4, 1), dtype=int), 0.75)):
        catalogue = CatalogueMetrics(np.ones(4, dtype=np.int64), n_users=1, cutoffs=(1,))
        catalogue.add(rows)
        assert catalogue.result()["gini@1"] == pytest.approx(expected)


def test_the_catalogue_of_nothing_is_zero() -> None:
    catalogue = CatalogueMetrics(np.array([1]), n_users=1, cutoffs=(3,))
    catalogue.add(np.array([[-1, -1, -1]]))
    assert catalogue.result() == {"coverage@3": 0.0, "gini@3": 0.0, "novelty@3": 0.0}


def _slow_diversity(items: list[int], vectors: np.ndarray) -> float:
    """1 - cosine of every pair, averaged; a zero vector is unrelated to all others."""
    distances = []
    for place, first in enumerate(items):
        for second in items[place + 1 :]:
            norms = np.linalg.norm(vectors[first]) * np.linalg.norm(vectors[second])
            distances.append(1 - vectors[first] @ vectors[second] / norms if norms else 1.0)
    return float(np.mean(distances)) if distances else np.nan


def test_diversity_matches_the_readable_twin() -> None:
    rows, _ = _random_lists(seed=2)
    vectors = np.random.default_rng(5).normal(size=(30, 4)).astype(np.float32)
    vectors[:3] = 0.0
    result = Diversity(vectors).measure(rows, (5, 1, 12, 40))
    assert set(result) == {"diversity@1", "diversity@5", "diversity@12", "diversity@40"}
    for k in (1, 5, 12, 40):
        expected = [_slow_diversity([item for item in row[:k].tolist() if item >= 0], vectors) for row in rows]
        np.testing.assert_allclose(result[f"diversity@{k}"], expected, rtol=1e-5, atol=1e-6)
    assert np.isnan(result["diversity@1"]).all()


def test_diversity_by_hand() -> None:
    """The same direction, a right angle, and the opposite direction."""
    diversity = Diversity(np.array([[1, 0], [2, 0], [0, 3], [-1, 0]], dtype=np.float32))
    result = diversity.measure(np.array([[0, 1], [0, 2], [0, 3]]), (2,))["diversity@2"]
    np.testing.assert_allclose(result, [0.0, 1.0, 2.0], atol=1e-6)
