from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from pipeline.factors import _logistic
from pipeline.factors._logistic import LogisticHalfStep


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_reaches_the_minimum_of_its_objective(scale: float) -> None:
    """Against a general optimizer in float64."""
    rng = np.random.default_rng(0)
    n, d, m = 200, 6, 12
    features = (scale * rng.normal(size=(n, d))).astype(np.float32)
    offsets = rng.normal(size=n).astype(np.float32)
    candidates = np.arange(0, n, 2)
    rows = csr_matrix((rng.random((m, n)) < 0.1) * rng.uniform(0.2, 3.0, (m, n)), dtype=np.float32)
    weights = np.diff(rows.indptr).astype(np.float32)
    penalties = rng.uniform(0.2, 2.0, m).astype(np.float32)
    result = LogisticHalfStep(features, offsets, candidates).solve(
        rows, negative_weights=weights, penalties=penalties, num_threads=2
    )
    for row in range(m):
        dense = rows[[row]].toarray().ravel().astype(np.float64)

        def objective(x: np.ndarray, row: int = row, dense: np.ndarray = dense) -> float:
            scores = offsets + features.astype(np.float64) @ x
            negatives = np.logaddexp(0.0, scores[candidates]).mean() * weights[row]
            return float(dense @ np.logaddexp(0.0, -scores) + negatives + penalties[row] / 2 * x @ x)

        best = minimize(objective, np.zeros(d), method="BFGS", options={"gtol": 1e-8})
        assert objective(result[row].astype(np.float64)) <= best.fun * (1 + 1e-4)
        np.testing.assert_allclose(result[row], best.x, atol=0.02 * np.abs(best.x).max())


def test_blocks_change_little_and_threads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5)).astype(np.float32)
    half_step = LogisticHalfStep(features, np.zeros(300, np.float32), np.arange(300))
    rows = csr_matrix(rng.random((40, 300)) < 0.05, dtype=np.float32)
    weights = np.diff(rows.indptr).astype(np.float32)
    results = []
    for entries in (1 << 17, 1 << 10, 1):
        monkeypatch.setattr(_logistic, "BLOCK_ENTRIES", entries)
        one, two = (
            half_step.solve(rows, negative_weights=weights, penalties=weights, num_threads=threads)
            for threads in (1, 2)
        )
        assert one.tobytes() == two.tobytes()
        results.append(one)
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-4, atol=1e-5)


def test_many_candidates_are_sampled_repeatably() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(5000, 4)).astype(np.float32)
    rows = csr_matrix(rng.random((3, 5000)) < 0.01, dtype=np.float32)
    weights = np.diff(rows.indptr).astype(np.float32)
    first, again = (
        LogisticHalfStep(features, np.zeros(5000, np.float32), np.arange(5000)).solve(
            rows, negative_weights=weights, penalties=weights, num_threads=1
        )
        for _ in range(2)
    )
    assert first.tobytes() == again.tobytes()


def test_huge_scores_stay_finite() -> None:
    features = np.array([[1e4, 0.0], [-1e4, 0.0], [0.0, 1e4]], dtype=np.float32)
    half_step = LogisticHalfStep(features, np.array([1e4, -1e4, 0.0], np.float32), np.arange(3))
    rows = csr_matrix(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], dtype=np.float32))
    ones = np.ones(2, np.float32)
    assert np.isfinite(half_step.solve(rows, negative_weights=ones, penalties=ones, num_threads=1)).all()
