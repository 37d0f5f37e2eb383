"""What every factorizer must hold."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.sparse import csr_matrix, vstack

from pipeline.errors import DataError
from pipeline.factors.base import Factorizer, FactorizerSettings, Factors, effective_threads, find_factorizer
from pipeline.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = ("als", "bpr", "lmf", "spectral")
N_GROUPS = 4


def _model(name: str, **settings: Any) -> Factorizer[FactorizerSettings]:
    factorizer = find_factorizer(name)
    return factorizer(factorizer.Settings.model_validate({"factors": 8, **settings}))


def _fit(name: str, matrix: csr_matrix, *, seed: int = 1, num_threads: int = 1, **settings: Any) -> Factors:
    return _model(name, **settings).fit(matrix, seed=seed, num_threads=num_threads, progress=no_progress)


def _share_in_group(vectors: np.ndarray, others: np.ndarray, top: int = 5) -> float:
    """How many of the best-scored rows of ``others`` are in the group of the vector."""
    best = np.argsort(-(vectors @ others.T), axis=1)[:, :top]
    return float(np.mean(best % N_GROUPS == (np.arange(len(vectors)) % N_GROUPS)[:, None]))


@pytest.mark.parametrize("name", MODELS)
def test_fit_finds_the_structure(name: str, confidences: csr_matrix) -> None:
    factors = _fit(name, confidences)
    for vectors, count in ((factors.user_factors, 120), (factors.item_factors, 80)):
        assert vectors.dtype == np.float32
        assert vectors.shape[0] == count
        assert vectors.shape[1] >= 8
        assert np.isfinite(vectors).all()
    assert factors.user_factors.shape[1] == factors.item_factors.shape[1]
    assert _share_in_group(factors.user_factors, factors.item_factors) > 0.8


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_bytes_and_another_seed_others(name: str, confidences: csr_matrix) -> None:
    first, again = _fit(name, confidences), _fit(name, confidences)
    assert first.user_factors.tobytes() == again.user_factors.tobytes()
    assert first.item_factors.tobytes() == again.item_factors.tobytes()
    assert first.item_factors.tobytes() != _fit(name, confidences, seed=2).item_factors.tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_threads_change_bytes_only_where_the_model_says_so(name: str, make_plays: Callable[..., csr_matrix]) -> None:
    matrix = make_plays(600, 400, density=0.2)
    one, two = (_fit(name, matrix, num_threads=n, factors=33, iterations=5) for n in (1, 2))
    same = one.user_factors.tobytes() == two.user_factors.tobytes()
    assert same or find_factorizer(name).threads_change_bytes


@pytest.mark.parametrize("name", MODELS)
def test_fold_in_is_the_same_at_any_number_of_threads(name: str, make_plays: Callable[..., csr_matrix]) -> None:
    matrix = make_plays(1500, 60)
    model = _model(name)
    factors = model.fit(matrix, seed=1, num_threads=1, progress=no_progress)
    for fold_in in (model.fold_in_users, model.fold_in_items):
        one, two = (fold_in(matrix, factors, num_threads=n) for n in (1, 2))
        assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_input_is_read_only_and_left_alone(name: str, confidences: csr_matrix) -> None:
    frozen = confidences.copy()
    for array in (frozen.data, frozen.indices, frozen.indptr):
        array.flags.writeable = False
    model = _model(name)
    factors = model.fit(frozen, seed=1, num_threads=1, progress=no_progress)
    for vectors in (factors.user_factors, factors.item_factors):
        vectors.flags.writeable = False
    model.fold_in_users(frozen, factors, num_threads=1)
    model.fold_in_items(frozen, factors, num_threads=1)
    assert (frozen != confidences).nnz == 0


@pytest.mark.parametrize("name", MODELS)
def test_wide_row_pointers_change_nothing(name: str, confidences: csr_matrix) -> None:
    """Row pointers may be int64 beside int32 indices, as they are where there are many interactions."""
    mixed = confidences.copy()
    mixed.indptr = mixed.indptr.astype(np.int64)
    assert mixed.indices.dtype == np.int32
    model = _model(name)
    factors = model.fit(mixed, seed=1, num_threads=1, progress=no_progress)
    assert factors.user_factors.tobytes() == _fit(name, confidences).user_factors.tobytes()
    for fold_in in (model.fold_in_users, model.fold_in_items):
        expected = fold_in(confidences, factors, num_threads=1)
        assert fold_in(mixed, factors, num_threads=1).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_rows_without_interactions_are_zero(name: str, confidences: csr_matrix) -> None:
    matrix = csr_matrix(confidences.toarray() * (np.arange(80) != 3) * (np.arange(120) != 7)[:, None])
    model = _model(name)
    factors = model.fit(matrix, seed=1, num_threads=1, progress=no_progress)
    for users in (factors.user_factors, model.fold_in_users(matrix, factors, num_threads=1)):
        assert np.flatnonzero(~users.any(axis=1)).tolist() == [7]
    for items in (factors.item_factors, model.fold_in_items(matrix, factors, num_threads=1)):
        assert np.flatnonzero(~items.any(axis=1)).tolist() == [3]


@pytest.mark.parametrize("name", MODELS)
def test_fold_in_of_no_rows(name: str, confidences: csr_matrix) -> None:
    model = _model(name)
    factors = model.fit(confidences, seed=1, num_threads=1, progress=no_progress)
    width = factors.user_factors.shape[1]
    assert model.fold_in_users(csr_matrix((0, 80), dtype=np.float32), factors, num_threads=1).shape == (0, width)
    assert model.fold_in_items(csr_matrix((120, 0), dtype=np.float32), factors, num_threads=1).shape == (0, width)


@pytest.mark.parametrize("name", MODELS)
def test_folded_in_vectors_score_like_fitted_ones(name: str, confidences: csr_matrix) -> None:
    model = _model(name)
    factors = model.fit(confidences, seed=1, num_threads=1, progress=no_progress)
    users = model.fold_in_users(confidences, factors, num_threads=1)
    assert users.shape == factors.user_factors.shape
    assert _share_in_group(users, factors.item_factors) > 0.8
    items = model.fold_in_items(confidences, factors, num_threads=1)
    assert items.shape == factors.item_factors.shape
    assert _share_in_group(factors.user_factors, items) > 0.8


@pytest.mark.parametrize("name", MODELS)
def test_attributes_of_items_land_beside_their_items(name: str, plays: csr_matrix) -> None:
    """Eight attributes of ten items each, all of one group."""
    attribute = (np.arange(80) // N_GROUPS // 10) * N_GROUPS + np.arange(80) % N_GROUPS
    membership = csr_matrix((np.ones(80, dtype=np.float32), (np.arange(80), attribute)), shape=(80, 8))
    model = _model(name)
    factors = model.fit(plays, seed=1, num_threads=1, progress=no_progress)
    vectors = model.fold_in_items((plays @ membership).tocsr(), factors, num_threads=1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    assert (similar.argmax(axis=1) % N_GROUPS == np.arange(8) % N_GROUPS).all()
    assert _share_in_group(factors.user_factors, vectors, top=2) > 0.8


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 2)])
def test_tiny_matrices_with_fewer_rows_than_factors(name: str, shape: tuple[int, int]) -> None:
    matrix = csr_matrix(np.ones(shape, dtype=np.float32))
    model = _model(name, factors=16)
    factors = model.fit(matrix, seed=1, num_threads=2, progress=no_progress)
    assert len(factors.user_factors) == shape[0]
    assert len(factors.item_factors) == shape[1]
    for vectors in (model.fold_in_users(matrix, factors, num_threads=2), factors.user_factors):
        assert np.isfinite(vectors).all()
        assert vectors.any(axis=1).all()


@pytest.mark.parametrize("name", MODELS)
def test_an_empty_matrix_is_a_clear_error(name: str) -> None:
    with pytest.raises(DataError, match="no interactions between 3 users and 4 items"):
        _fit(name, csr_matrix((3, 4), dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "settings"),
    [("als", {"alpha": 1e38}), ("bpr", {"learning_rate": 1e30}), ("lmf", {"learning_rate": 1e30})],
)
def test_a_fit_that_diverges_is_a_clear_error(name: str, settings: dict[str, float], confidences: csr_matrix) -> None:
    with pytest.raises(DataError, match=rf"(?s)'{name}': the fit diverged.*factorize\.regularization"):
        _fit(name, confidences, **settings)


@pytest.mark.parametrize("name", MODELS)
def test_progress_goes_up_to_one_without_output(
    name: str, confidences: csr_matrix, capfd: pytest.CaptureFixture[str]
) -> None:
    reports: list[tuple[float, str]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _model(name, iterations=4).fit(
            confidences, seed=1, num_threads=2, progress=lambda fraction, message: reports.append((fraction, message))
        )
    assert reports == [(i / 4, f"iteration {i} of 4") for i in (1, 2, 3, 4)]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", MODELS)
def test_an_interrupt_stops_the_fit(name: str, confidences: csr_matrix) -> None:
    def interrupt(fraction: float, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _model(name).fit(confidences, seed=1, num_threads=1, progress=interrupt)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "settings",
    [{"factors": 0}, {"iterations": 0}, {"unknown": 1}],
)
def test_settings_are_validated(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        find_factorizer(name).Settings.model_validate(settings)


@pytest.mark.parametrize("name", ["als", "bpr", "lmf"])
@pytest.mark.parametrize("regularization", [0.0, float("nan")])
def test_regularization_is_a_number_above_zero(name: str, regularization: float) -> None:
    with pytest.raises(ValidationError):
        find_factorizer(name).Settings.model_validate({"regularization": regularization})


@pytest.mark.parametrize("name", MODELS)
def test_versions_name_what_computes(name: str) -> None:
    others = {"implicit"} if name in ("als", "bpr", "lmf") else set()
    assert set(find_factorizer(name).versions()) == {"numpy", "scipy"} | others


def test_effective_threads() -> None:
    assert effective_threads(3) == 3
    assert effective_threads(0) >= 1
    with pytest.raises(ValueError, match="expected 0 or more, got -1"):
        effective_threads(-1)


def test_one_row_does_not_depend_on_the_others(confidences: csr_matrix) -> None:
    """A user folded in alone gets the vector they get among others."""
    for name in MODELS:
        model = _model(name)
        factors = model.fit(confidences, seed=1, num_threads=1, progress=no_progress)
        together = model.fold_in_users(vstack([confidences, confidences[:3]]).tocsr(), factors, num_threads=1)
        alone = model.fold_in_users(confidences[2], factors, num_threads=1)
        np.testing.assert_allclose(together[[2, 122]], np.repeat(alone, 2, axis=0), rtol=1e-3, atol=1e-4)
