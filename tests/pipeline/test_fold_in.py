"""Fresh histories and fresh items through the model of a run."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

import pipeline
from pipeline.config import load_config
from pipeline.data.encode import Encoded, encode
from pipeline.errors import ConfigError, DataError, StoreError, UnknownNameError
from pipeline.factors.base import factorizer_names, find_factorizer
from pipeline.factors.fitted import FittedModel
from pipeline.factors.weighting import Weighting, WeightingSettings
from pipeline.fold_in import FoldIn
from pipeline.progress import no_progress

#: Models that need no settings; a blend of them is tested beside it.
MODELS = [name for name in factorizer_names() if name != "blend"]
#: Unlike the defaults, so that nothing can take them for it.
WEIGHTING = WeightingSettings(confidence="log1p", user_degree_power=0.5, item_degree_power=0.25)


@pytest.fixture(scope="module")
def encoded(published, tmp_path_factory) -> Encoded:
    settings = load_config(published.config, [])
    folder = tmp_path_factory.mktemp("encoded")
    encode(settings, settings.run.date, folder)
    return Encoded.open(folder)


@pytest.fixture(scope="module")
def fold_in_of(encoded):
    """Makes the fold-in of a model fitted to the small data, with its artists."""

    def make(name: str, **settings) -> FoldIn:
        factorizer = find_factorizer(name)
        model = factorizer(factorizer.Settings.model_validate({"factors": 6, **settings}))
        weighting = Weighting.fit(encoded.user_items, WEIGHTING)
        factors = model.fit(weighting.transform(encoded.user_items), seed=1, num_threads=1, progress=no_progress)
        artists = model.fold_in_items(weighting.transform_items(encoded.entity_items("artist")), factors, num_threads=1)
        return FoldIn(encoded, FittedModel(name, model, weighting, factors), {"artist": artists})

    return make


@pytest.fixture
def run(published):
    return pipeline.open_run(published.root)


def history_of(run, user_row: int) -> dict[str, float]:
    """A user's items with their summed weights."""
    row = run.encoded.user_items[[user_row]]
    vocabulary = run.vocabulary("track")
    return {vocabulary.id(item): float(weight) for item, weight in zip(row.indices, row.data, strict=True)}


def dense_half_step(run, history: dict[str, float]) -> np.ndarray:
    """The normal equations of Hu, Koren & Volinsky with the confidences of the fit, dense, in float64."""
    fitted = run.fold_in.model
    settings, items = fitted.factorizer.settings, fitted.factors.item_factors.astype(np.float64)
    weights = np.zeros(len(items))
    for item, weight in history.items():
        weights[run.vocabulary("track").row(item)] = weight
    n_u, n_i = len(history), np.bincount(run.encoded.user_items.indices, minlength=len(items))
    powers = fitted.weighting.settings
    transform = {"binary": np.sign, "log1p": np.log1p, "raw": np.asarray}[powers.confidence]
    damped = transform(weights) / (n_u**powers.user_degree_power * n_i**powers.item_degree_power)
    confidence = settings.alpha * damped / fitted.weighting.scale
    observed = confidence > 0
    system = (items.T * np.where(observed, confidence, 1.0)) @ items + settings.regularization * np.eye(items.shape[1])
    return np.linalg.solve(system, items.T @ confidence)


def test_als_folds_a_user_in_by_a_half_step(run):
    """By implicit's own recalculate_user, and by the dense normal equations."""
    from implicit.cpu.als import AlternatingLeastSquares as ImplicitALS

    fitted = run.fold_in.model
    settings = fitted.factorizer.settings
    with threadpool_limits(limits=1, user_api="blas"):  # implicit warns of more
        implicit = ImplicitALS(
            factors=settings.factors, regularization=settings.regularization, alpha=settings.alpha, num_threads=1
        )
        implicit.item_factors = fitted.factors.item_factors
        confidences = fitted.weighting.transform(run.encoded.user_items)
        refit = implicit.recalculate_user(np.arange(40), confidences[:40])
    histories = [history_of(run, row) for row in range(40)]
    vectors = run.fold_in_users(histories)
    np.testing.assert_allclose(vectors, refit, rtol=1e-5, atol=1e-6)
    dense = [dense_half_step(run, history) for history in histories]
    np.testing.assert_allclose(vectors, dense, rtol=2e-4, atol=2e-5)


def test_als_folds_an_item_in_as_the_fit_would(run):
    """A fresh item with exactly a track's listeners gets that track's vector, but for what the fit approximates."""
    items = run.encoded.user_items.tocsc()
    users = run.vocabulary("user")
    rows, weights = items[:, 7].indices, items[:, 7].data
    listeners = {users.id(row): float(weight) for row, weight in zip(rows, weights, strict=True)}
    vector = run.fold_in_item(listeners)
    assert vector.dtype == np.float32
    fitted = run.fold_in.model
    expected = fitted.factorizer.fold_in_items(
        fitted.weighting.transform(run.encoded.user_items)[:, [7]].tocsr(), fitted.factors, num_threads=1
    )
    np.testing.assert_allclose(vector, expected[0], rtol=1e-6)
    scores = run.fold_in.model.factors.item_factors @ vector
    assert np.argmax(scores / np.linalg.norm(fitted.factors.item_factors, axis=1)) % 3 == 7 % 3


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("of", [None, "artist"])
def test_a_history_finds_its_taste_under_every_model(fold_in_of, name, of):
    fold_in = fold_in_of(name)
    histories = [["t001", "t004", "t007"], ["t002", "t005"]] if of is None else [[1, 4, 7], [2, 5]]
    vectors = fold_in.users(fold_in.histories(histories, of), of)
    assert vectors.shape == (2, fold_in.model.factors.item_factors.shape[1])
    best = np.argsort(-(vectors @ fold_in.model.factors.item_factors.T), axis=1)[:, :5]
    assert (best % 3 == [[1], [2]]).mean() >= 0.8


@pytest.mark.parametrize("name", MODELS)
def test_a_user_of_the_fit_folds_in_with_the_confidences_of_the_fit(fold_in_of, encoded, name):
    fold_in = fold_in_of(name)
    fitted = fold_in.model
    expected = fitted.factorizer.fold_in_users(
        fitted.weighting.transform(encoded.user_items)[:20], fitted.factors, num_threads=1
    )
    np.testing.assert_allclose(fold_in.users(encoded.user_items[:20]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_nobody_and_nothing_have_zero_vectors(fold_in_of, name):
    fold_in = fold_in_of(name)
    users = fold_in.users(fold_in.histories([[], ["t003"]]))
    assert not users[0].any()
    assert users[1].any()
    assert not fold_in.items(fold_in.listeners([[]])).any()


def test_many_histories_at_once_are_each_alone(run):
    rng = np.random.default_rng(3)
    histories = [[f"t{track:03d}" for track in rng.choice(60, size=1 + row % 7, replace=False)] for row in range(200)]
    together = run.fold_in_users(histories)
    for row in range(0, 200, 37):
        np.testing.assert_allclose(together[row], run.fold_in_users([histories[row]])[0], rtol=1e-5, atol=1e-7)
    assert together.tobytes() == run.fold_in_users(histories, num_threads=1).tobytes()


def test_names_ids_weights_and_repeats(run):
    by_name, by_id, weighted, repeated = run.fold_in_users(
        [["Title 3", "title 6"], ["t003", "t006"], {"t003": 2.0, "Title 6": 1}, ["t003", "t006", "Title 3"]]
    )
    assert by_name.tobytes() == by_id.tobytes()
    assert weighted.tobytes() == repeated.tobytes()
    assert weighted.tobytes() != by_id.tobytes()
    as_array = run.fold_in_users([np.array(["t003", "t006"])])[0]
    assert as_array.tobytes() == by_id.tobytes()


def test_what_the_run_does_not_know(run):
    with pytest.raises(UnknownNameError, match="no track has the name or id 'Titel 3'\nClosest: 'Title 3'"):
        run.fold_in_users([["t001"], ["Titel 3"]])
    known, without = run.fold_in_users([["t001"], ["t001", "brand new"]], skip_unknown=True)
    assert known.tobytes() == without.tobytes()
    with pytest.raises(UnknownNameError, match="no user has the name or id 7"):
        run.fold_in_item([1000, 7])
    assert run.fold_in_item([1000, 7], skip_unknown=True).tobytes() == run.fold_in_item([1000]).tobytes()


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf"), 1e300, 1e-300])
def test_weights_must_be_numbers_above_zero(run, weight):
    with pytest.raises(DataError, match=r"weight of 't002': expected a number above zero, within float32; got"):
        run.fold_in_users([{"t001": 1.0, "t002": weight}])


@pytest.mark.parametrize("history", ["t001", 7, None])
def test_a_history_is_a_collection(run, history):
    with pytest.raises(TypeError, match="expected collections of ids or names"):
        run.fold_in_users([history])


def test_histories_are_of_items_or_their_attributes(run):
    assert run.fold_in_users([['"weird" artist 3', 6]], of="artist").shape == (1, 8)
    for entity in ("user", "album"):
        with pytest.raises(ConfigError, match=f"a history of '{entity}' cannot be folded in: expected one of track"):
            run.fold_in_users([["x"]], of=entity)


def test_an_attribute_history_is_a_half_step_on_its_own_matrix(run):
    """The artists' vectors stand where the tracks' stood, their degrees in the place of the tracks'."""
    fitted, artists = run.fold_in.model, run.encoded.entity_items("artist")
    weighting = replace(fitted.weighting, item_degrees=np.bincount(artists.indices, minlength=artists.shape[1]))
    factors = replace(fitted.factors, item_factors=np.array(run.vectors("artist")))
    expected = fitted.factorizer.fold_in_users(weighting.transform_users(artists[:9]), factors, num_threads=1)
    np.testing.assert_array_equal(run.fold_in.users(artists[:9], "artist"), expected)


def test_recommendations_after_a_history_leave_it_out(run):
    history = ["Title 1", "Title 4", "Title 7"]
    neighbors = run.recommend_history(history, k=60)
    assert len(neighbors) == 57
    assert {"t001", "t004", "t007"}.isdisjoint(neighbor.id for neighbor in neighbors)
    assert {int(str(neighbor.id)[1:]) % 3 for neighbor in neighbors[:8]} == {1}
    scores = run.fold_in_users([history]) @ run.vectors("track").T
    for neighbor in neighbors[:8]:
        assert neighbor.score == pytest.approx(scores[0, run.vocabulary("track").row(neighbor.id)], rel=1e-5)
    assert len(run.recommend_history(history, k=60, exclude_history=False)) == 60


def test_recommending_from_nothing_is_a_clear_error(run):
    with pytest.raises(DataError, match="the history is empty"):
        run.recommend_history([])


def test_a_run_of_an_earlier_version_says_so(published, tmp_path):
    root = tmp_path / "runs"
    shutil.copytree(published.root, root)
    run = pipeline.open_run(root)
    del run.content["model"]
    assert run.similar("artist", 3)
    with pytest.raises(StoreError, match="keeps no model: it was published by an earlier version"):
        run.fold_in_users([["t001"]])


def test_a_matrix_of_weights_is_folded_in_as_it_is(run):
    matrix = csr_matrix((np.array([2.0, 1.0], np.float32), ([0, 0], [3, 6])), shape=(1, 60))
    assert run.fold_in.users(matrix).tobytes() == run.fold_in_users([{"t003": 2.0, "t006": 1.0}]).tobytes()
