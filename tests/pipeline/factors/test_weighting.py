from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.errors import DataError
from pipeline.factors.weighting import Weighting, WeightingSettings, weigh

CONFIDENCES = ("binary", "log1p", "raw", "bm25")


def _oracle(dense: np.ndarray, settings: WeightingSettings) -> np.ndarray:
    """The definition, entry by entry in float64."""
    transform = {"binary": lambda w: 1.0, "log1p": np.log1p, "raw": float}[settings.confidence]
    result = np.zeros(dense.shape)
    for u, i in zip(*np.nonzero(dense), strict=True):
        n_u, n_i = np.count_nonzero(dense[u]), np.count_nonzero(dense[:, i])
        result[u, i] = transform(float(dense[u, i])) / (
            n_u**settings.user_degree_power * n_i**settings.item_degree_power
        )
    return result / result[dense > 0].mean()


@pytest.mark.parametrize("confidence", ["binary", "log1p", "raw"])
@pytest.mark.parametrize("powers", [(0.0, 0.0), (0.5, 0.5), (1.0, 0.25)])
def test_matches_the_definition(plays: csr_matrix, confidence: str, powers: tuple[float, float]) -> None:
    settings = WeightingSettings(confidence=confidence, user_degree_power=powers[0], item_degree_power=powers[1])
    result = weigh(plays, settings)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.toarray(), _oracle(plays.toarray(), settings), rtol=1e-6)
    assert result.data.mean(dtype=np.float64) == pytest.approx(1.0, abs=1e-6)


def test_leaves_its_input_alone_and_shares_nothing(plays: csr_matrix) -> None:
    before = plays.copy()
    arrays = (plays.data, plays.indices, plays.indptr)
    for array in arrays:
        array.flags.writeable = False
    try:
        result = weigh(plays, WeightingSettings())
    finally:
        for array in arrays:
            array.flags.writeable = True
    assert (plays != before).nnz == 0
    for array in (result.data, result.indices, result.indptr):
        assert array.flags.writeable
        assert not any(np.shares_memory(array, source) for source in arrays)


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_an_attribute_of_one_item_weighs_as_the_item(plays: csr_matrix, confidence: str) -> None:
    weighting = Weighting.fit(plays, WeightingSettings(confidence=confidence))
    permuted = plays[:, np.arange(plays.shape[1])[::-1]]
    expected = weighting.transform(plays)[:, np.arange(plays.shape[1])[::-1]]
    assert (weighting.transform_items(permuted.tocsr()) != expected).nnz == 0


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_a_known_user_weighs_the_same_as_a_new_row(plays: csr_matrix, confidence: str) -> None:
    weighting = Weighting.fit(plays, WeightingSettings(confidence=confidence))
    assert (weighting.transform_users(plays[5:9]) != weighting.transform(plays)[5:9]).nnz == 0


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_a_new_user_with_items_nobody_had_is_finite(confidence: str) -> None:
    settings = WeightingSettings(confidence=confidence)
    weighting = Weighting.fit(csr_matrix([[1.0, 0.0], [2.0, 0.0]]), settings)
    row = weighting.transform_users(csr_matrix([[0.0, 3.0]]))
    assert np.isfinite(row.data).all()


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_refuses_weights_that_are_not_above_zero(weight: float, confidence: str) -> None:
    matrix = csr_matrix((np.array([1.0, weight]), [0, 1], [0, 2]), shape=(1, 2))
    with pytest.raises(DataError, match="finite numbers above zero"):
        weigh(matrix, WeightingSettings(confidence=confidence))


def test_refuses_an_empty_matrix() -> None:
    with pytest.raises(DataError, match="no interactions"):
        weigh(csr_matrix((3, 4), dtype=np.float32), WeightingSettings())


def test_refuses_a_mean_that_overflows() -> None:
    with pytest.raises(DataError, match=r"weighting\.confidence"):
        weigh(csr_matrix([[1.5e308, 1.5e308]]), WeightingSettings(confidence="raw"))


def test_refuses_confidences_that_vanish_in_float32() -> None:
    with pytest.raises(DataError, match="leave the range of float32"):
        weigh(csr_matrix([[1e300, 1.0]]), WeightingSettings(confidence="raw"))


def test_refuses_a_bm25_that_overflows(plays: csr_matrix) -> None:
    with pytest.raises(DataError, match="confidences of the weighting 'bm25' leave the range of float32"):
        weigh(plays, WeightingSettings(confidence="bm25", bm25_k1=1.7e308))


def test_refuses_another_shape(plays: csr_matrix) -> None:
    weighting = Weighting.fit(plays, WeightingSettings())
    with pytest.raises(ValueError, match="expected 120 users, got 119"):
        weighting.transform_items(plays[:-1])
    with pytest.raises(ValueError, match="expected 80 items, got 79"):
        weighting.transform_users(plays[:, :-1].tocsr())
