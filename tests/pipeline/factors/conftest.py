from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.factors.weighting import WeightingSettings, weigh

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def make_plays() -> Callable[..., csr_matrix]:
    """Makes play counts, users x items, with a block structure a model can find."""

    def make(
        n_users: int = 120, n_items: int = 80, *, groups: int = 4, density: float = 0.3, seed: int = 0
    ) -> csr_matrix:
        rng = np.random.default_rng(seed)
        same = (np.arange(n_users) % groups)[:, None] == (np.arange(n_items) % groups)[None, :]
        chance = np.where(same, density, density / 20)
        plays = np.where(rng.random((n_users, n_items)) < chance, rng.integers(1, 50, (n_users, n_items)), 0)
        return csr_matrix(plays.astype(np.float32))

    return make


@pytest.fixture(scope="session")
def plays(make_plays: Callable[..., csr_matrix]) -> csr_matrix:
    """Play counts of 120 users and 80 items in 4 groups: row r and column c belong together where r = c modulo 4."""
    return make_plays()


@pytest.fixture(scope="session")
def confidences(plays: csr_matrix) -> csr_matrix:
    """The confidences of ``plays`` with the default weighting."""
    return weigh(plays, WeightingSettings())
