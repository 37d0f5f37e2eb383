"""What a trial is worth, and when a fit that is watched ends."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.config import parse_config
from pipeline.data.split import split_by_user
from pipeline.errors import DataError
from pipeline.evaluation.evaluate import evaluate
from pipeline.factors.als import AlternatingLeastSquares
from pipeline.factors.base import Factors
from pipeline.factors.search_space import Iterations
from pipeline.factors.weighting import weigh
from pipeline.progress import no_progress
from pipeline.trials.candidate import Candidate
from pipeline.trials.objective import PATIENCE, Objective, Validation

CONFIG = {
    "interactions": {"path": "plays.csv", "user": "user", "item": "track"},
    "factorize": {"factors": 6, "iterations": 3},
}


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(2)
    same = (np.arange(90) % 3)[:, None] == (np.arange(50) % 3)[None, :]
    plays = csr_matrix(np.where(rng.random((90, 50)) < np.where(same, 0.4, 0.05), 2.0, 0.0).astype(np.float32))
    train, test, _ = split_by_user(plays, 0.2, 0)
    return train, test


def test_the_figures_are_the_evaluations(parts):
    config = parse_config(CONFIG)
    objective = Objective(parts[0], Validation(*parts, 20, num_threads=1), "ndcg@20", None, seed=1, num_threads=1)
    outcome = objective(Candidate.of(config), no_progress)
    factors = AlternatingLeastSquares(config.factorize.settings).fit(
        weigh(parts[0], config.weighting), seed=1, num_threads=1, progress=no_progress
    )
    evaluation, _ = evaluate(*parts, factors, config.evaluation, num_threads=1, progress=no_progress)
    assert outcome.iterations is None
    assert outcome.measures.keys() >= {"ndcg@20", "recall@20"}
    for name, value in outcome.measures.items():
        assert value == pytest.approx(evaluation.model[name], rel=1e-6)


def test_a_watched_fit_is_worth_what_a_fit_of_its_best_passes_is(parts):
    validation = Validation(*parts, 20, num_threads=1)
    candidate = Candidate.of(parse_config(CONFIG))
    watched = Objective(parts[0], validation, "ndcg@20", Iterations(1, 9), seed=1, num_threads=1)
    outcome = watched(candidate, no_progress, show=3)
    plain = Objective(parts[0], validation, "ndcg@20", None, seed=1, num_threads=1)
    best = candidate.with_values({"factorize.iterations": outcome.iterations})
    assert plain(best, no_progress).measures == outcome.measures
    assert plain(candidate, no_progress).measures == outcome.configured


class Scripted:
    """A factorizer whose quality by passes is given."""

    def __init__(self, monkeypatch, qualities):
        self.qualities = qualities
        monkeypatch.setattr("pipeline.trials.objective._factorizer", lambda candidate: self)

    def watch_fit(self, user_items, *, seed, num_threads, progress, watch):
        self.passes = 0
        for quality in self.qualities:
            self.passes += 1
            if not watch(self.passes, lambda quality=quality: Factors(quality, None)):
                return

    def outcome(self, parts, iterations, show=None):
        validation = SimpleNamespace(measure=lambda factors: {"ndcg@20": factors.user_factors})
        objective = Objective(parts[0], validation, "ndcg@20", iterations, seed=0, num_threads=1)
        return objective(Candidate.of(parse_config(CONFIG)), no_progress, show=show)


def test_a_fit_ends_where_nothing_better_comes(monkeypatch, parts):
    fit = Scripted(monkeypatch, [0.9, 0.1, 0.3, 0.2, 0.3, 0.1, 0.9, 0.9])
    outcome = fit.outcome(parts, Iterations(2, 8))
    assert fit.passes == 3 + PATIENCE
    assert (outcome.iterations, outcome.measures) == (3, {"ndcg@20": 0.3})


def test_a_fit_does_not_end_before_the_configured_passes(monkeypatch, parts):
    fit = Scripted(monkeypatch, [0.5, 0.4, 0.3, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1])
    outcome = fit.outcome(parts, Iterations(1, 9), show=7)
    assert fit.passes == 7
    assert (outcome.iterations, outcome.configured) == (1, {"ndcg@20": 0.1})


def test_only_some_passes_are_looked_at(monkeypatch, parts):
    fit = Scripted(monkeypatch, [0.9, 0.1, 0.9, 0.2, 0.9, 0.3, 0.9, 0.4])
    assert fit.outcome(parts, Iterations(2, 8, step=2)).measures == {"ndcg@20": 0.4}
    assert fit.outcome(parts, Iterations(2, 8, step=2), show=3).iterations == 3


def test_nobody_to_measure_is_an_error():
    train = csr_matrix(np.array([[1, 0], [0, 0]], np.float32))
    held_out = csr_matrix(np.array([[0, 0], [1, 0]], np.float32))
    with pytest.raises(DataError, match="no user has both training and validation interactions"):
        Validation(train, held_out, 20, num_threads=1)
