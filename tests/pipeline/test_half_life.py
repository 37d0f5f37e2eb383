"""Weights that fade, from the configuration to what is explained; under BM25, which looks at their sums too."""

from __future__ import annotations

import csv
import datetime
import shutil
import warnings

import numpy as np
import pytest

import pipeline
from pipeline.config import parse_config
from pipeline.errors import ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Luigi's, about a default of its own
    from pipeline.tasks import EncodeInteractions, Evaluate, FitFactors
    from pipeline.tuning.validation import SplitTraining

DATE = datetime.date(2026, 1, 31)
HALF_LIFE = 7.0


@pytest.fixture(scope="module")
def faded(published, tmp_path_factory, command):
    """A project whose weights fade, run once."""
    folder = tmp_path_factory.mktemp("faded")
    shutil.copytree(published.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("runs"))
    text = published.config.read_text().replace(str(published.folder), str(folder))
    text += f'\n[weighting]\nconfidence = "bm25"\nhalf_life_days = {HALF_LIFE}\n'
    (folder / "config.toml").write_text(text)
    result = command("cfpipe", "run", folder / "config.toml")
    assert result.returncode == 0, result.stderr
    return type(published)(folder)


@pytest.fixture(scope="module")
def run(faded):
    return pipeline.open_run(faded.root)


def weights_by_definition(folder, run, before=None):
    """Dense weights of the plays, each halved by every half-life of its age."""
    with (folder / "plays.csv").open() as file:
        plays = list(csv.DictReader(file))
    times = [datetime.datetime.fromisoformat(play["ts"]).replace(tzinfo=datetime.UTC) for play in plays]
    kept = [(play, time) for play, time in zip(plays, times, strict=True) if before is None or time < before]
    now = max(time for _, time in kept)
    users, tracks = run.vocabulary("user"), run.vocabulary("track")
    weights = np.zeros((len(users), len(tracks)))
    for play, time in kept:
        age = (now - time) / datetime.timedelta(days=1)
        weights[users.row(int(play["user"])), tracks.row(play["track"])] += int(play["plays"]) * 2 ** -(age / HALF_LIFE)
    return weights


def test_the_model_is_fitted_on_faded_weights(faded, run):
    expected = weights_by_definition(faded.folder, run)
    np.testing.assert_allclose(run.fold_in.user_items.toarray(), expected, rtol=1e-5)
    plain = run.encoded.user_items
    assert (np.asarray(plain.data) > run.fold_in.user_items.data * 1.5).mean() > 0.5


def test_the_training_part_fades_back_from_its_own_last_event(faded, run):
    def task(kind, **parameters):
        return kind(date=DATE, config=str(faded.config), **parameters)

    parts = task(Evaluate).hold_out().open()
    cutoff = datetime.datetime.fromtimestamp(parts.stats["cutoff"] / 1e6, datetime.UTC)
    trained = task(FitFactors, split="train").open()
    expected = weights_by_definition(faded.folder, run, before=cutoff)
    np.testing.assert_allclose(trained.fitted_on(parts.train).toarray(), expected, rtol=1e-5)
    assert trained.fitted_on(parts.train).data.max() > run.fold_in.user_items.data.max() / 4


def test_attributes_are_fitted_on_faded_weights(faded, run):
    model = run.fold_in.model
    weights = weights_by_definition(faded.folder, run).astype(np.float32)
    artists = run.encoded.entity_items("artist", run.fold_in.user_items)
    np.testing.assert_allclose(artists.toarray(), weights @ run.encoded.attribute("artist").toarray(), rtol=1e-5)
    expected = model.factorizer.fold_in_items(model.weighting.transform_items(artists), model.factors, num_threads=1)
    np.testing.assert_allclose(run.vectors("artist"), expected, rtol=1e-5, atol=1e-7)


def test_a_user_is_explained_by_the_weights_of_the_fit(faded, run):
    row = run.vocabulary("user").row(1001)
    weights = weights_by_definition(faded.folder, run)[row]
    explanation = run.explain(1001, "t004")
    tracks = run.vocabulary("track")
    shown = {tracks.row(part.id): part.weight for part in explanation.contributions}
    assert shown == pytest.approx({item: weights[item] for item in np.flatnonzero(weights)}, rel=1e-5)
    vector = run.fold_in.users(run.fold_in.user_items[[row]])[0]
    target = run.vectors("track")[tracks.row("t004")]
    assert sum(part.share for part in explanation.contributions) == pytest.approx(vector @ target, rel=1e-4)
    assert explanation.score == pytest.approx(explanation.fold_in_score, rel=0.2)


def test_a_fresh_history_is_of_now_and_weighs_in_full(run):
    model, tracks = run.fold_in.model, run.vocabulary("track")
    history = np.zeros((1, len(tracks)), np.float32)
    history[0, [tracks.row("t001"), tracks.row("t004")]] = 1.0, 3.0
    confidences = model.weighting.transform_users(type(run.encoded.user_items)(history))
    expected = model.factorizer.fold_in_users(confidences, model.factors, num_threads=1)
    np.testing.assert_allclose(run.fold_in_users([{"t001": 1.0, "t004": 3.0}]), expected, rtol=1e-6)
    assert [part.weight for part in run.explain_history(["t001"], "t007").contributions] == [1.0]


def test_what_is_encoded_and_split_does_not_depend_on_it(published):
    def fingerprints(*overrides):
        tasks = [
            kind(date=DATE, config=str(published.config), overrides=overrides)
            for kind in (EncodeInteractions, SplitTraining, FitFactors)
        ]
        return [task.fingerprint for task in (*tasks, tasks[0].other(Evaluate).hold_out())]

    encoded, tuning, fit, hold_out = fingerprints()
    faded_encoded, faded_tuning, faded_fit, faded_hold_out = fingerprints("weighting.half_life_days=7.0")
    assert (encoded, hold_out) == (faded_encoded, faded_hold_out)
    assert fit != faded_fit
    assert tuning != faded_tuning
    half_life = SplitTraining(date=DATE, config=str(published.config)).ingredients().keys() & {"half_life_days"}
    assert not half_life


def test_tuning_takes_a_configuration_with_a_half_life(faded, command):
    result = command("cfpipe", "tune", faded.config, "--trials", "2", "--output", faded.folder / "tuned.toml")
    assert result.returncode == 0, result.stderr
    assert "half_life_days = 7.0" in (faded.folder / "tuned.toml").read_text()


@pytest.mark.parametrize(
    ("timestamp", "weighting", "message"),
    [
        ({}, {"half_life_days": 7.0}, r"weighting\.half_life_days needs interactions\.timestamp"),
        (
            {"timestamp": "ts"},
            {"half_life_days": 7.0, "confidence": "binary"},
            r"weighting: half_life_days changes weights, and confidence = 'binary' ignores them",
        ),
    ],
)
def test_what_it_needs_is_said(timestamp, weighting, message):
    interactions = {"path": "plays.csv", "user": "user", "item": "track", **timestamp}
    with pytest.raises(ConfigError, match=message):
        parse_config({"interactions": interactions, "weighting": weighting})


def test_a_half_life_that_leaves_nothing_ends_the_run_with_a_clear_error(project, command):
    result = command("cfpipe", "run", project.config, "--set", "weighting.half_life_days=0.01")
    assert result.returncode == 6
    assert "weighting.half_life_days = 0.01: nothing that float32 can hold is left of" in result.stderr
    assert "Traceback" not in result.stderr
