"""Shares of a score: they add up to it, under every model that can say them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import pipeline
from pipeline.errors import ConfigError, DataError, UnknownNameError
from pipeline.factors.base import Factors, factorizer_names, find_factorizer
from pipeline.progress import no_progress

#: Models that need no settings; a blend of them is tested beside it.
MODELS = [name for name in factorizer_names() if name != "blend"]
EXPLAINING = [name for name in MODELS if find_factorizer(name).explains()]
SILENT = sorted(set(MODELS) - set(EXPLAINING))


@pytest.fixture
def run(published):
    return pipeline.open_run(published.root)


def _fitted(name: str):
    rng = np.random.default_rng(1)
    confidences = csr_matrix(np.where(rng.random((60, 40)) < 0.2, rng.random((60, 40)) + 0.1, 0.0).astype(np.float32))
    factorizer = find_factorizer(name)
    model = factorizer(factorizer.Settings.model_validate({"factors": 7}))
    return model, confidences, model.fit(confidences, seed=1, num_threads=1, progress=no_progress)


@pytest.mark.parametrize("name", EXPLAINING)
def test_contributions_add_up_to_the_score_of_the_fold_in(name):
    model, confidences, factors = _fitted(name)
    users = model.fold_in_users(confidences, factors, num_threads=1)
    for row in range(0, 60, 7):
        for item in (0, 13, 39):
            parts = model.contributions(confidences[[row]], factors, factors.item_factors[item])
            assert parts.dtype == np.float64
            assert parts.shape == (confidences[[row]].nnz,)
            assert parts.sum() == pytest.approx(users[row] @ factors.item_factors[item], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", SILENT)
def test_other_models_say_which_can(name):
    model, confidences, factors = _fitted(name)
    with pytest.raises(ConfigError, match=r"cannot explain.*\n.*can explain: .*als"):
        model.contributions(confidences[[0]], factors, factors.item_factors[0])


def test_als_shares_are_those_of_hu_koren_and_volinsky():
    model, confidences, factors = _fitted("als")
    items, settings = factors.item_factors.astype(np.float64), model.settings
    row = confidences[[4]]
    confidence = settings.alpha * row.toarray().ravel().astype(np.float64)
    weights = np.where(confidence > 0, confidence, 1.0)
    similarity = items @ np.linalg.inv((items.T * weights) @ items + settings.regularization * np.eye(7)) @ items.T
    for target in (0, 21):
        expected = [similarity[target, item] * confidence[item] for item in row.indices]
        np.testing.assert_allclose(model.contributions(row, factors, factors.item_factors[target]), expected)


def test_als_gram_matrix_in_blocks(monkeypatch):
    model, confidences, factors = _fitted("als")
    whole = model.contributions(confidences[[0]], factors, factors.item_factors[1])
    monkeypatch.setattr("pipeline.factors.gram._ROWS", 7)
    np.testing.assert_allclose(model.contributions(confidences[[0]], factors, factors.item_factors[1]), whole)


@pytest.mark.parametrize("item", ["t004", "Title 4", "t002"])
def test_a_users_shares_add_up(run, item):
    """Of an item the user may know or not: both have a score."""
    explanation = run.explain(1001, item)
    row = run.vocabulary("user").row(1001)
    target = run.vectors("track")[run.vocabulary("track").row(explanation.id)]
    history = run.encoded.user_items[[row]]
    folded = run.fold_in.users(history)[0]
    assert explanation.fold_in_score == pytest.approx(folded @ target, rel=1e-4, abs=1e-6)
    assert sum(part.share for part in explanation.contributions) == pytest.approx(explanation.fold_in_score)
    assert explanation.score == pytest.approx(run.vectors("user")[row] @ target, rel=1e-5)
    assert {part.id for part in explanation.contributions} == {run.vocabulary("track").id(i) for i in history.indices}
    assert sorted(part.weight for part in explanation.contributions) == sorted(history.data)
    shares = [part.share for part in explanation.contributions]
    assert shares == sorted(shares, reverse=True)
    assert explanation.contributions[0].name.startswith("Title ")


def test_the_published_score_is_that_of_the_look_up_and_close_to_the_fold_in(run):
    for neighbor in run.recommend(1004, k=5):
        explanation = run.explain(1004, neighbor.id)
        assert explanation.score == pytest.approx(neighbor.score, rel=1e-6)
        assert explanation.fold_in_score == pytest.approx(neighbor.score, rel=0.2)


def test_tracks_of_the_same_taste_explain_a_track(run):
    contributions = run.explain(1004, run.recommend(1004, k=1)[0].id).contributions
    assert all(int(str(part.id)[1:]) % 3 == 1 for part in contributions[:3])


def test_a_historys_shares_add_up(run):
    explanation = run.explain_history({"Title 1": 3.0, "t004": 1.0}, "Title 7")
    vector = run.fold_in_users([{"t001": 3.0, "t004": 1.0}])[0]
    target = run.vectors("track")[run.vocabulary("track").row("t007")]
    assert explanation.score is None
    assert explanation.fold_in_score == pytest.approx(vector @ target, rel=1e-4)
    assert sum(part.share for part in explanation.contributions) == pytest.approx(explanation.fold_in_score)
    assert {(part.name, part.weight) for part in explanation.contributions} == {("Title 1", 3.0), ("Title 4", 1.0)}


def test_artists_explain_and_are_explained(run):
    of_artist = run.explain(1001, 4, to="artist")
    assert (of_artist.name, of_artist.history_of) == ('"Weird" Artist 4 ', "track")
    by_artists = run.explain_history([1, 7], "t004", of="artist")
    assert by_artists.history_of == "artist"
    target = run.vectors("track")[run.vocabulary("track").row("t004")]
    folded = run.fold_in_users([[1, 7]], of="artist")[0]
    assert by_artists.fold_in_score == pytest.approx(folded @ target, rel=1e-4)


def test_unknown_names_are_the_errors_of_look_ups(run):
    with pytest.raises(UnknownNameError, match="no user has the name or id 99"):
        run.explain(99, "t001")
    with pytest.raises(UnknownNameError, match=r"no track has the name or id 'Titel 1'\nClosest: 'Title 1'"):
        run.explain(1001, "Titel 1")
    with pytest.raises(ConfigError, match="unknown entity type 'album'"):
        run.explain(1001, "x", to="album")


def test_an_empty_history_explains_nothing(run):
    with pytest.raises(DataError, match="the history is empty"):
        run.explain_history([], "t001")


def test_an_opened_run_stays_what_it_was_when_another_is_published(project, command):
    assert command("cfpipe", "run", project.config).returncode == 0
    before = pipeline.open_run(project.root)
    first = before.explain(1001, "t004")
    opened_before_asked_after = pipeline.open_run(project.root)
    changed = command("cfpipe", "run", project.config, "--set", "factorize.factors=5")
    assert changed.returncode == 0, changed.stderr
    assert opened_before_asked_after.explain(1001, "t004") == first
    assert before.explain(1001, "t004") == first
    assert pipeline.open_run(project.root).explain(1001, "t004").fold_in_score != first.fold_in_score


def test_factors_of_one_column(run):
    """Nothing in the sums needs more."""
    model, confidences, factors = _fitted("als")
    narrow = Factors(factors.user_factors[:, :1].copy(), factors.item_factors[:, :1].copy())
    parts = model.contributions(confidences[[0]], narrow, narrow.item_factors[3])
    folded = model.fold_in_users(confidences[[0]], narrow, num_threads=1)
    assert parts.sum() == pytest.approx(folded[0] @ narrow.item_factors[3], rel=1e-4, abs=1e-6)
