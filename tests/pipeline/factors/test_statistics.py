"""What a matrix looks like, against plain NumPy on the dense one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.errors import DataError
from pipeline.factors import statistics
from pipeline.factors.statistics import QUANTILES, MatrixStatistics

if TYPE_CHECKING:
    from collections.abc import Callable


def _expected(dense: np.ndarray) -> dict[str, object]:
    """The definitions, of the users and items that have interactions."""
    dense = dense[dense.any(axis=1)][:, dense.any(axis=0)]
    weights = dense[dense > 0].astype(np.float64)
    activity, popularity = (dense > 0).sum(axis=1), (dense > 0).sum(axis=0)
    return {
        "users": dense.shape[0],
        "items": dense.shape[1],
        "pairs": weights.size,
        "density": (dense > 0).mean(),
        "mean_activity": activity.mean(),
        "mean_popularity": popularity.mean(),
        "activity_quantiles": np.quantile(activity, QUANTILES),
        "popularity_quantiles": np.quantile(popularity, QUANTILES),
        "share_of_ones": (weights == 1).mean(),
        "mean_weight": weights.mean(),
        "weight_variation": weights.std() / weights.mean(),
        "weight_quantiles": np.quantile(weights, QUANTILES),
    }


@pytest.mark.parametrize("block", [7, 1 << 20])
def test_they_are_what_their_definitions_say(plays: csr_matrix, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(statistics, "_BLOCK", block)
    padded = csr_matrix((plays.data, plays.indices, np.append(plays.indptr, plays.nnz)), shape=(121, 83))
    found = MatrixStatistics.of(padded)
    for name, value in _expected(plays.toarray()).items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-6, err_msg=name)


def test_quantiles_of_many_weights_are_those_of_a_sample(
    make_plays: Callable[..., csr_matrix], monkeypatch: pytest.MonkeyPatch
) -> None:
    plays = make_plays(300, 200)
    exact = MatrixStatistics.of(plays)
    monkeypatch.setattr(statistics, "_SAMPLE", 1000)
    assert plays.nnz > 1000
    sampled = MatrixStatistics.of(plays)
    assert sampled.weight_quantiles != exact.weight_quantiles
    np.testing.assert_allclose(sampled.weight_quantiles, exact.weight_quantiles, atol=4)


def test_equal_weights_do_not_vary() -> None:
    found = MatrixStatistics.of(csr_matrix(np.full((4, 3), 2.0, np.float32)))
    assert (found.weight_variation, found.share_of_ones, found.density) == (0.0, 0.0, 1.0)


def test_weights_at_the_end_of_float32_do_not_overflow() -> None:
    found = MatrixStatistics.of(csr_matrix(np.array([[3e38, 1.0], [0.0, 3e38]], np.float32)))
    assert found.mean_weight == pytest.approx(2e38)
    assert found.weight_variation == pytest.approx(np.sqrt(0.5))


def test_json_gives_them_back(plays: csr_matrix) -> None:
    found = MatrixStatistics.of(plays)
    assert MatrixStatistics.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_an_empty_matrix_is_a_clear_error() -> None:
    with pytest.raises(DataError, match="no interactions to choose settings from"):
        MatrixStatistics.of(csr_matrix((3, 4), dtype=np.float32))
