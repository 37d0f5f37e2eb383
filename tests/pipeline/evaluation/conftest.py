from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.factors.base import Factors


@pytest.fixture(scope="session")
def split() -> tuple[csr_matrix, csr_matrix]:
    """Training and test pairs of 150 users and 60 items: some users and items in one of them alone."""
    rng = np.random.default_rng(3)
    chance = np.minimum(1.0, 8.0 / np.arange(2, 62))
    pairs = rng.random((150, 60)) < chance
    held_out = pairs & (rng.random(pairs.shape) < 0.25)
    held_out[:4] = pairs[:4]
    held_out[4:9] = False
    held_out[:, 50:52] = pairs[:, 50:52]
    train, test = (pairs & ~held_out).astype(np.float32), held_out.astype(np.float32)
    train[20], test[20] = 1.0, 0.0
    train[20, 0], test[20, 0] = 0.0, 1.0
    train[:, 50:52] = 0.0
    return csr_matrix(train), csr_matrix(test)


@pytest.fixture(scope="session")
def factors(split: tuple[csr_matrix, csr_matrix]) -> Factors:
    """Random vectors, which favour no item."""
    rng = np.random.default_rng(4)
    n_users, n_items = split[0].shape
    return Factors(
        rng.normal(size=(n_users, 7)).astype(np.float32),
        rng.normal(size=(n_items, 7)).astype(np.float32),
    )


@pytest.fixture(scope="session")
def slow_metrics() -> Any:
    """The measures of one user's list at one cutoff, written as they are read."""

    def measure(items: list[int], test: set[int], k: int) -> dict[str, float]:
        items = [item for item in items[:k] if item >= 0]
        hits = [item in test for item in items]
        dcg = sum(1 / np.log2(rank + 1) for rank, hit in enumerate(hits, 1) if hit)
        best = sum(1 / np.log2(rank + 1) for rank in range(1, min(k, len(test)) + 1))
        precisions = [sum(hits[:rank]) / rank for rank, hit in enumerate(hits, 1) if hit]
        return {
            f"recall@{k}": sum(hits) / len(test),
            f"precision@{k}": sum(hits) / k,
            f"ndcg@{k}": dcg / best,
            f"map@{k}": sum(precisions) / min(k, len(test)),
            f"mrr@{k}": 1 / (hits.index(True) + 1) if any(hits) else 0.0,
            f"hit_rate@{k}": float(any(hits)),
        }

    return measure
