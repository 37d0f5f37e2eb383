"""The softmax model against its definition, written out densely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import logsumexp

from pipeline.errors import ConfigError
from pipeline.factors import _sphere
from pipeline.factors._sphere import Sphere, best_directions, unit
from pipeline.factors.blend import Blend, BlendSettings
from pipeline.factors.softmax import Softmax, SoftmaxSettings
from pipeline.progress import no_progress

if TYPE_CHECKING:
    from pipeline.factors.base import Factors


def _fit(matrix: csr_matrix, **settings: Any) -> tuple[Softmax, Factors]:
    model = Softmax(SoftmaxSettings.model_validate({"factors": 8, **settings}))
    return model, model.fit(matrix, seed=3, num_threads=1, progress=no_progress)


def _loss(users: np.ndarray, items: np.ndarray, confidences: csr_matrix, temperature: float) -> float:
    """The loss of the class's docstring, times the temperature and summed over users, with all items as candidates."""
    scores = unit(users) @ unit(items).T / temperature
    terms = confidences.toarray() * (logsumexp(scores, axis=1, keepdims=True) - scores)
    return float(terms.sum() * temperature)


def _cosines(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", unit(some), unit(others))


def _random(rows: int, columns: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


class TestFit:
    def test_users_have_unit_length_and_items_that_of_their_popularity(self, confidences: csr_matrix) -> None:
        _, factors = _fit(confidences, popularity_power=0.3)
        np.testing.assert_allclose(np.linalg.norm(factors.user_factors, axis=1), 1.0, rtol=1e-5)
        lengths = (confidences.toarray() > 0).sum(axis=0) ** 0.3
        np.testing.assert_allclose(np.linalg.norm(factors.item_factors, axis=1), lengths, rtol=1e-5)

    def test_popularity_changes_lengths_alone(self, confidences: csr_matrix) -> None:
        (_, without), (_, with_it) = (_fit(confidences, popularity_power=power, iterations=5) for power in (0.0, 1.0))
        np.testing.assert_array_equal(without.user_factors, with_it.user_factors)
        np.testing.assert_allclose(without.item_factors, unit(with_it.item_factors), atol=1e-6)

    def test_steps_follow_the_gradient_of_the_loss(
        self, confidences: csr_matrix, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

        def record(sphere: Sphere, rows: np.ndarray, gradients: np.ndarray, angle: float) -> None:
            given.append((sphere.vectors, rows, gradients))

        monkeypatch.setattr(Sphere, "turn", record)
        _fit(confidences, iterations=1, batch_size=1000, negatives=1000, temperature=0.3)
        (users, user_rows, user_gradients), (items, item_rows, item_gradients) = given
        rng, size = np.random.default_rng(0), 1e-4
        for vectors, rows, gradients in ((users, user_rows, user_gradients), (items, item_rows, item_gradients)):
            direction = np.zeros(vectors.shape)
            direction[rows] = rng.standard_normal(gradients.shape)
            # Along the sphere, for the loss knows no lengths.
            direction -= np.einsum("ij,ij->i", direction, vectors)[:, np.newaxis] * vectors
            ahead, behind = (
                _loss(
                    users + sign * size * direction if vectors is users else users.astype(np.float64),
                    items + sign * size * direction if vectors is items else items.astype(np.float64),
                    confidences,
                    0.3,
                )
                for sign in (1, -1)
            )
            assert (gradients * direction[rows]).sum() == pytest.approx((ahead - behind) / (2 * size), rel=1e-3)

    def test_passes_lower_the_loss(self, confidences: csr_matrix) -> None:
        losses = []
        for iterations in (1, 5, 20):
            _, factors = _fit(confidences, iterations=iterations, batch_size=32)
            losses.append(_loss(factors.user_factors, factors.item_factors, confidences, 0.1))
        assert losses[0] > 1.1 * losses[1] > 1.1 * losses[2]

    def test_the_curve_is_the_loss_of_each_pass_as_it_began(self, confidences: csr_matrix) -> None:
        """With one batch and all items drawn, a pass begins with the vectors that the pass before left."""
        settings = {"batch_size": 1000, "negatives": 1000, "popularity_power": 0.0, "temperature": 0.3}
        _, before = _fit(confidences, iterations=3, **settings)
        _, factors = _fit(confidences, iterations=4, **settings)
        assert factors.curve is not None
        assert len(factors.curve.values) == 4
        loss = _loss(before.user_factors, before.item_factors, confidences, 0.3) / 0.3 / confidences.sum()
        assert factors.curve.values[3] == pytest.approx(loss, rel=1e-4)

    def test_what_weighs_more_scores_higher(self) -> None:
        """Two users of the same items, each with one that counts for more."""
        matrix = csr_matrix(np.array([[9, 1, 1, 1], [1, 1, 1, 9]], dtype=np.float32))
        _, factors = _fit(matrix, factors=3, temperature=0.5)
        first, second = factors.user_factors @ unit(factors.item_factors).T
        assert first[0] > first[3]
        assert second[3] > second[0]

    def test_fewer_negatives_than_items_find_the_groups_too(self, confidences: csr_matrix) -> None:
        _, factors = _fit(confidences, negatives=10, batch_size=16)
        best = (factors.user_factors @ factors.item_factors.T).argmax(axis=1)
        assert (best % 4 == np.arange(120) % 4).mean() > 0.9

    @pytest.mark.parametrize(
        "settings",
        [{"temperature": 0.0}, {"learning_rate": 2.0}, {"popularity_power": -0.1}, {"negatives": 0}, {"batch_size": 0}],
    )
    def test_settings_out_of_range_are_refused(self, settings: dict[str, float]) -> None:
        with pytest.raises(ValidationError):
            SoftmaxSettings.model_validate(settings)


class TestFoldIn:
    def test_users_of_the_fit_get_nearly_their_vectors(self, confidences: csr_matrix) -> None:
        model, factors = _fit(confidences, batch_size=32)
        folded = model.fold_in_users(confidences, factors, num_threads=1)
        np.testing.assert_allclose(np.linalg.norm(folded, axis=1), 1.0, rtol=1e-5)
        assert _cosines(folded, factors.user_factors).min() > 0.95

    def test_items_of_the_fit_get_vectors_near_theirs_at_their_lengths(self, confidences: csr_matrix) -> None:
        model, factors = _fit(confidences, batch_size=32, popularity_power=0.3)
        folded = model.fold_in_items(confidences, factors, num_threads=1)
        lengths = [np.linalg.norm(vectors, axis=1) for vectors in (folded, factors.item_factors)]
        np.testing.assert_allclose(*lengths, rtol=1e-5)
        assert np.median(_cosines(folded, factors.item_factors)) > 0.9

    def test_there_is_no_better_vector(self) -> None:
        others, temperature = unit(_random(30)), 0.2
        history = csr_matrix(np.array([[1, 2, 0, 4] + [0] * 26], dtype=np.float32))
        target = history.toarray()[0] @ others / 7.0

        def negative_value(x: np.ndarray) -> float:
            x = x / np.linalg.norm(x)
            return float(temperature * logsumexp(others @ x / temperature) - target @ x)

        found = best_directions(history, others, temperature, num_threads=1)[0]
        best = min((minimize(negative_value, start) for start in (found, *_random(5, seed=1))), key=lambda end: end.fun)
        assert negative_value(found) <= best.fun + 1e-5
        np.testing.assert_allclose(found, best.x / np.linalg.norm(best.x), atol=5e-3)

    def test_what_has_no_vector_is_no_candidate(self) -> None:
        others = unit(_random(20))
        history = csr_matrix(np.eye(1, 20, dtype=np.float32))
        without = np.vstack([others, np.zeros((5, 6), dtype=np.float32)])
        history_of_more = csr_matrix(np.eye(1, 25, dtype=np.float32))
        np.testing.assert_allclose(
            best_directions(history_of_more, without, 0.2, num_threads=1),
            best_directions(history, others, 0.2, num_threads=1),
            atol=1e-6,
        )

    def test_a_sample_of_candidates_stands_for_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        others = unit(_random(400))
        history = csr_matrix(np.eye(3, 400, dtype=np.float32))
        of_all = best_directions(history, others, 0.2, num_threads=1)
        monkeypatch.setattr(_sphere, "SAMPLE_SIZE", 200)
        of_some, again = (best_directions(history, others, 0.2, num_threads=1) for _ in range(2))
        np.testing.assert_array_equal(of_some, again)
        assert (of_some != of_all).any()
        assert _cosines(of_some, of_all).min() > 0.95

    def test_it_says_that_it_cannot_explain(self, confidences: csr_matrix) -> None:
        model, factors = _fit(confidences, iterations=1)
        with pytest.raises(ConfigError, match="Softmax cannot explain"):
            model.contributions(confidences[[0]], factors, factors.item_factors[0])


class TestSphere:
    def test_the_first_step_turns_by_the_angle_whatever_the_gradient(self) -> None:
        sphere = Sphere(_random(4))
        before = sphere.vectors.copy()
        sphere.turn(np.array([0, 2]), np.array([[1e-6], [1e6]], dtype=np.float32) * _random(2, seed=1), 0.1)
        turned = np.arccos(_cosines(sphere.vectors[[0, 2]].astype(np.float64), before[[0, 2]].astype(np.float64)))
        np.testing.assert_allclose(turned, np.arctan(0.1), rtol=1e-3)
        np.testing.assert_array_equal(sphere.vectors[[1, 3]], before[[1, 3]])

    def test_axes_do_not_matter(self) -> None:
        rotation = np.linalg.qr(_random(6, seed=5))[0]
        straight, rotated = Sphere(_random(3)), Sphere(_random(3) @ rotation)
        for seed in range(1, 5):
            gradients = _random(3, seed=seed)
            straight.turn(np.arange(3), gradients, 0.2)
            rotated.turn(np.arange(3), gradients @ rotation, 0.2)
        np.testing.assert_allclose(straight.vectors @ rotation, rotated.vectors, atol=1e-5)

    def test_what_is_not_touched_has_its_moments_when_it_is(self) -> None:
        resting, alone = Sphere(_random(2)), Sphere(_random(2)[:1])
        for seed in range(1, 4):
            gradients = _random(1, seed=seed)
            resting.turn(np.array([0]), gradients, 0.1)
            alone.turn(np.array([0]), gradients, 0.1)
            resting.turn(np.array([1]), gradients, 0.1)
        np.testing.assert_allclose(resting.vectors[:1], alone.vectors, atol=1e-6)


def test_it_is_part_of_a_blend(confidences: csr_matrix) -> None:
    parts = [{"model": "softmax", "factors": 8, "iterations": 3}, {"model": "spectral", "factors": 4}]
    blend = Blend(BlendSettings.model_validate({"parts": parts}))
    factors = blend.fit(confidences, seed=3, num_threads=1, progress=no_progress)
    assert factors.item_factors.shape == (80, 12)
    folded = blend.fold_in_users(confidences, factors, num_threads=1)
    assert np.median(_cosines(folded, factors.user_factors)) > 0.9
