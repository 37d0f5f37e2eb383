"""Blends of models against the models by themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.sparse import csr_matrix

from pipeline.errors import ConfigError
from pipeline.factors.blend import Blend, BlendSettings
from pipeline.factors.spectral import Spectral, SpectralSettings
from pipeline.factors.weighting import column_degrees
from pipeline.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.factors.base import Factors

PARTS = (
    {"model": "spectral", "factors": 8, "spectrum_power": 0.25},
    {"model": "als", "factors": 6, "alpha": 5.0, "regularization": 2.0, "share": 3.0},
)


def _blend(*parts: dict[str, Any], **settings: Any) -> Blend:
    return Blend(BlendSettings.model_validate({"parts": list(parts or PARTS), **settings}))


def _fit(model: Any, matrix: csr_matrix) -> Factors:
    factors: Factors = model.fit(matrix, seed=3, num_threads=1, progress=no_progress)
    return factors


def _alone(matrix: csr_matrix) -> list[tuple[Any, float, Factors]]:
    """Each part by itself: its model, its share, its factors."""
    models = [(part.factorizer(), part.share) for part in _blend().settings.parts]
    return [(model, share, _fit(model, matrix)) for model, share in models]


def _levelled_scores(users: np.ndarray, own_items: np.ndarray, items: np.ndarray) -> np.ndarray:
    spread = np.sqrt(((users.astype(np.float64) @ own_items.T) ** 2).mean(axis=1, keepdims=True))
    return users @ items.T / np.where(spread == 0.0, 1.0, spread)


def test_scores_are_the_weighted_sums_of_levelled_scores(confidences: csr_matrix) -> None:
    factors = _fit(_blend(), confidences)
    expected = sum(
        share * _levelled_scores(part.user_factors, part.item_factors, part.item_factors)
        for _, share, part in _alone(confidences)
    )
    assert factors.user_factors.shape == (120, 14)
    assert factors.user_factors.dtype == factors.item_factors.dtype == np.float32
    np.testing.assert_allclose(factors.user_factors @ factors.item_factors.T, expected, atol=1e-4)


def test_users_fold_in_as_their_parts_do(confidences: csr_matrix) -> None:
    blend = _blend()
    factors = _fit(blend, confidences)
    others = csr_matrix(confidences[:5].toarray()[:, ::-1].copy())
    expected = sum(
        share * _levelled_scores(model.fold_in_users(others, part, num_threads=1), part.item_factors, part.item_factors)
        for model, share, part in _alone(confidences)
    )
    folded = blend.fold_in_users(others, factors, num_threads=1)
    np.testing.assert_allclose(folded @ factors.item_factors.T, expected, atol=2e-4)


def test_a_user_without_interactions_has_a_zero_vector(confidences: csr_matrix) -> None:
    blend = _blend()
    folded = blend.fold_in_users(
        csr_matrix((1, confidences.shape[1]), dtype=np.float32), _fit(blend, confidences), num_threads=1
    )
    assert not folded.any()


def test_items_fold_in_as_their_parts_do(confidences: csr_matrix) -> None:
    blend = _blend()
    columns = csr_matrix(confidences[:, :7])
    expected = np.hstack([model.fold_in_items(columns, part, num_threads=1) for model, _, part in _alone(confidences)])
    folded = blend.fold_in_items(columns, _fit(blend, confidences), num_threads=1)
    np.testing.assert_allclose(folded, expected, atol=1e-4 * abs(expected).max())


def test_users_fold_in_with_attributes_in_the_place_of_items(confidences: csr_matrix) -> None:
    blend = _blend()
    factors = _fit(blend, confidences)
    attributes = csr_matrix(confidences[:, :9])
    vectors = blend.fold_in_items(attributes, factors, num_threads=1)
    replaced = blend.with_items(factors, vectors, column_degrees(attributes))
    expected = []
    for model, share, part in _alone(confidences):
        own = model.fold_in_items(attributes, part, num_threads=1)
        users = model.fold_in_users(attributes, model.with_items(part, own, column_degrees(attributes)), num_threads=1)
        expected.append(share * _levelled_scores(users, part.item_factors, own))
    folded = blend.fold_in_users(attributes, replaced, num_threads=1)
    np.testing.assert_allclose(folded @ vectors.T, sum(expected), atol=1e-3)


def test_contributions_add_up_to_the_score_of_the_fold_in(confidences: csr_matrix) -> None:
    blend = _blend()
    factors = _fit(blend, confidences)
    history = confidences[[5]]
    for target in (2, 61):
        score = blend.fold_in_users(history, factors, num_threads=1)[0] @ factors.item_factors[target]
        parts = blend.contributions(history, factors, factors.item_factors[target])
        assert parts.shape == (history.nnz,)
        assert parts.sum() == pytest.approx(score, rel=1e-3)


def test_a_part_that_cannot_explain_says_so(confidences: csr_matrix) -> None:
    blend = _blend({"model": "als", "factors": 4}, {"model": "bpr", "factors": 4, "iterations": 2})
    factors = _fit(blend, confidences)
    assert factors.item_factors.shape[1] > 8  # BPR adds a column
    with pytest.raises(ConfigError, match="BayesianPersonalizedRanking cannot explain"):
        blend.contributions(confidences[[5]], factors, factors.item_factors[0])


def test_factors_are_the_sum_of_the_parts() -> None:
    assert _blend().settings.factors == 14
    with pytest.raises(ValidationError, match="expected at most the sum of the parts', 14, or nothing, got 64"):
        BlendSettings.model_validate({"parts": list(PARTS), "factors": 64})


def test_settings_survive_json() -> None:
    settings = _blend().settings
    document = json.dumps(settings.model_dump(mode="json"))
    assert json.loads(document)["parts"][1]["alpha"] == 5.0
    assert BlendSettings.model_validate_json(document) == settings


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([PARTS[0]], "at least 2 items"),
        ([PARTS[0], {"factors": 3}], "expected the name of a factorizer other than 'blend', got None"),
        ([PARTS[0], {"model": "blend", "parts": list(PARTS)}], "other than 'blend', got 'blend'"),
        ([PARTS[0], {"model": "als", "share": 0.0}], "greater than 0"),
        ([PARTS[0], {"model": "als", "alhpa": 1.0}], "alhpa"),
    ],
)
def test_impossible_parts_are_refused(parts: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BlendSettings.model_validate({"parts": parts})


def test_levels_leave_the_ranking_of_one_part_as_it_is(confidences: csr_matrix) -> None:
    settings = {"model": "spectral", "factors": 8, "spectrum_power": 0.25}
    twice = _fit(_blend(settings, {**settings, "share": 2.0}), confidences)
    alone = _fit(Spectral(SpectralSettings(factors=8, spectrum_power=0.25)), confidences)
    spread = _levelled_scores(alone.user_factors, alone.item_factors, alone.item_factors)
    np.testing.assert_allclose(twice.user_factors @ twice.item_factors.T, 3.0 * spread, atol=1e-4)


def test_a_compressed_blend_has_the_closest_scores_of_its_rank(confidences: csr_matrix) -> None:
    joined = _fit(_blend(), confidences)
    factors = _fit(_blend(factors=5, emphasis=0.0), confidences)
    left, values, right = np.linalg.svd(joined.user_factors.astype(np.float64) @ joined.item_factors.T)
    assert factors.user_factors.shape == (120, 5)
    assert factors.item_factors.shape == (80, 5)
    assert factors.user_factors.dtype == factors.item_factors.dtype == np.float32
    expected = (left[:, :5] * values[:5]) @ right[:5]
    np.testing.assert_allclose(factors.user_factors @ factors.item_factors.T, expected, atol=1e-3 * values[0])


def test_emphasis_brings_the_scores_of_the_best_unseen_items_closer(make_plays: Callable[..., csr_matrix]) -> None:
    plays = make_plays(150, 400, groups=8)
    joined = _fit(_blend(), plays)
    wanted = joined.user_factors @ joined.item_factors.T
    unseen = np.where(plays.toarray() > 0.0, -np.inf, wanted)
    best = np.argsort(-unseen, axis=1)[:, :100]
    errors = []
    for emphasis in (0.0, 100.0):
        factors = _fit(_blend(factors=5, emphasis=emphasis), plays)
        difference = factors.user_factors @ factors.item_factors.T - wanted
        errors.append(np.square(np.take_along_axis(difference, best, axis=1)).mean())
    assert errors[1] < 0.8 * errors[0]


def test_a_compressed_blend_folds_in_the_users_of_the_fit_to_where_they_are(confidences: csr_matrix) -> None:
    parts = ({"model": "spectral", "factors": 8}, {"model": "spectral", "factors": 6, "spectrum_power": 0.1})
    blend = _blend(*parts, factors=5, emphasis=0.0)
    factors = _fit(blend, confidences)
    folded = blend.fold_in_users(confidences, factors, num_threads=1)
    np.testing.assert_allclose(folded, factors.user_factors, atol=1e-4 * abs(folded).max())


def test_compression_is_one_linear_map_of_what_folds_in(confidences: csr_matrix) -> None:
    """Found from the vectors of the fit, it takes the joined fold-in to that of the compressed blend."""
    wide, narrow = _blend(), _blend(factors=5)
    joined, factors = _fit(wide, confidences), _fit(narrow, confidences)
    users, items = (
        np.linalg.lstsq(each.astype(np.float64), other.astype(np.float64), rcond=None)[0]
        for each, other in (
            (joined.user_factors, factors.user_factors),
            (joined.item_factors, factors.item_factors),
        )
    )
    others = csr_matrix(confidences[:5].toarray()[:, ::-1].copy())
    folded = narrow.fold_in_users(others, factors, num_threads=1)
    expected = wide.fold_in_users(others, joined, num_threads=1) @ users
    np.testing.assert_allclose(folded, expected, atol=1e-3 * abs(expected).max())
    columns = csr_matrix(confidences[:, :7])
    folded = narrow.fold_in_items(columns, factors, num_threads=1)
    expected = wide.fold_in_items(columns, joined, num_threads=1) @ items
    np.testing.assert_allclose(folded, expected, atol=1e-3 * abs(expected).max())


def test_a_compressed_blend_explains_the_scores_of_its_fold_in(confidences: csr_matrix) -> None:
    blend = _blend(factors=5)
    factors = _fit(blend, confidences)
    history = confidences[[5]]
    score = blend.fold_in_users(history, factors, num_threads=1)[0] @ factors.item_factors[61]
    parts = blend.contributions(history, factors, factors.item_factors[61])
    assert parts.sum() == pytest.approx(score, rel=1e-3)


def test_items_in_the_place_of_themselves_fold_users_in_as_before(confidences: csr_matrix) -> None:
    """With as many dimensions as the scores have, compression loses nothing on the way back."""
    parts = ({"model": "spectral", "factors": 4}, {"model": "spectral", "factors": 4, "spectrum_power": 0.1})
    blend = _blend(*parts, factors=4, emphasis=0.0)  # the same directions twice: rank 4
    factors = _fit(blend, confidences)
    replaced = blend.with_items(factors, factors.item_factors, column_degrees(confidences))
    folded = blend.fold_in_users(confidences[:5], replaced, num_threads=1)
    np.testing.assert_allclose(folded, factors.user_factors[:5], atol=1e-3 * abs(folded).max())


def test_users_fold_into_a_compressed_blend_with_attributes(confidences: csr_matrix) -> None:
    blend = _blend(factors=5)
    factors = _fit(blend, confidences)
    attributes = csr_matrix(confidences[:, :9])
    vectors = blend.fold_in_items(attributes, factors, num_threads=1)
    replaced = blend.with_items(factors, vectors, column_degrees(attributes))
    folded = blend.fold_in_users(attributes, replaced, num_threads=1)
    assert folded.shape == (120, 5)
    same = (np.arange(120) % 4)[:, None] == (np.arange(9) % 4)[None, :]
    scores = folded @ vectors.T
    assert scores[same].mean() > scores[~same].mean() + scores.std()
    np.testing.assert_array_equal(replaced.item_factors, vectors)
