"""Studies: what is tried, when they end, and what they keep."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.config import parse_config
from pipeline.errors import ConfigError, DataError, StoreError
from pipeline.factors import choosing
from pipeline.factors.als import AlternatingLeastSquares
from pipeline.factors.defaults import Defaults, choose
from pipeline.factors.search_space import Choice, FloatRange, IntRange, Iterations
from pipeline.factors.statistics import MatrixStatistics
from pipeline.progress import no_progress
from pipeline.trials.objective import Outcome
from pipeline.tuning.plot import draw
from pipeline.tuning.space import StudySpace
from pipeline.tuning.study import Budget, Study, TrialRecord, check_succeeded

TRAIN = csr_matrix(np.array([[1.0, 2.0, 0.0], [0.0, 3.0, 1.0]], np.float32))


def config(**sections):
    interactions = {"path": "plays.csv", "user": "user", "item": "track", "weight": "plays"}
    return parse_config({"interactions": interactions, **sections})


def space(**sections):
    return StudySpace.of(config(**sections), weights_differ=True).filled_in(TRAIN)


def quality(candidate, progress, *, show=None):
    """Best at alpha = 20 and 6 passes; the configuration asks for 8 passes, which are a little worse."""
    value = 1.0 / (1.0 + abs(candidate.factorize.settings.alpha - 20.0))
    return Outcome({"ndcg@20": value}, 6, {"ndcg@20": 0.9 * value})


class TestWhatIsTried:
    def test_the_configuration_is_first_and_the_best_is_found(self, tmp_path):
        study = Study(tmp_path / "study.sqlite", space(), "ndcg@20", seed=0)
        trials = list(study.run(quality, Budget(25, None), no_progress))
        assert trials == study.trials()
        assert [trial.number for trial in trials] == list(range(25))
        first, best = trials[0], study.best()
        chosen = choose(MatrixStatistics.of(TRAIN), "als", 64)
        assert first.sections["factorize"] == {"model": "als", "factors": 64, **chosen.model, "iterations": 6}
        assert first.sections["weighting"].items() >= dict(chosen.weighting).items()
        assert first.configured["ndcg@20"] < first.measures["ndcg@20"] < best.measures["ndcg@20"]
        assert abs(best.sections["factorize"]["alpha"] - 20.0) < 5.0
        assert check_succeeded(study) == best

    def test_it_starts_from_what_is_chosen_from_the_training_part(self, tmp_path, monkeypatch):
        seen = []

        def rule(statistics, model, factors):
            seen.append((statistics, model, factors))
            return Defaults({"user_degree_power": 0.25}, {"alpha": 77.0, "iterations": 9})

        monkeypatch.setattr(choosing, "choose", rule)
        study = Study(tmp_path / "study.sqlite", space(factorize={"regularization": 4.0}), "ndcg@20", seed=0)
        shown = []

        def objective(candidate, progress, *, show=None):
            shown.append(show)
            return quality(candidate, progress)

        first = next(study.run(objective, Budget(1, None), no_progress))
        assert seen == [(MatrixStatistics.of(TRAIN), "als", 64)]
        assert first.sections["factorize"].items() >= {"alpha": 77.0, "regularization": 4.0}.items()
        assert first.sections["weighting"]["user_degree_power"] == 0.25
        assert shown == [9]

    def test_a_study_in_parts_is_the_study_in_one(self, tmp_path):
        def settings(path, parts):
            for trials in parts:
                study = Study(tmp_path / path, space(), "ndcg@20", seed=5)
                list(study.run(quality, Budget(trials, None), no_progress))
            return [trial.sections for trial in study.trials()]

        assert settings("parts.sqlite", [1, 4, 13]) == settings("one.sqlite", [13])

    def test_a_trial_whose_process_died_counts_for_nothing(self, tmp_path):
        class DiedError(BaseException):
            pass

        def die(candidate, progress, *, show=None):
            raise DiedError

        whole = Study(tmp_path / "whole.sqlite", space(), "ndcg@20", seed=1)
        list(whole.run(quality, Budget(4, None), no_progress))
        for _ in range(3):
            study = Study(tmp_path / "study.sqlite", space(), "ndcg@20", seed=1)
            with pytest.raises(DiedError):
                list(study.run(die, Budget(4, None), no_progress))
        study = Study(tmp_path / "study.sqlite", space(), "ndcg@20", seed=1)
        list(study.run(quality, Budget(4, None), no_progress))
        assert [trial.sections for trial in study.trials()] == [trial.sections for trial in whole.trials()]

    def test_a_configured_value_that_no_draw_can_give_is_tried_all_the_same(self, tmp_path):
        study = Study(tmp_path / "study.sqlite", space(factorize={"alpha": 1e6}), "ndcg@20", seed=0)
        trials = list(study.run(quality, Budget(14, None), no_progress))
        alphas = [trial.sections["factorize"]["alpha"] for trial in trials]
        assert alphas[0] == 1e6
        assert all(alpha in AlternatingLeastSquares.search_space["alpha"] for alpha in alphas[1:])

    def test_another_seed_tries_other_settings(self, tmp_path):
        sections = []
        for seed in (0, 1):
            study = Study(tmp_path / f"{seed}.sqlite", space(), "ndcg@20", seed=seed)
            sections.append([trial.sections for trial in study.run(quality, Budget(2, None), no_progress)])
        assert sections[0][0] == sections[1][0]
        assert sections[0][1] != sections[1][1]


class TestFailures:
    def test_a_failed_trial_is_kept_and_the_study_goes_on(self, tmp_path):
        asked = []

        def fails_at_first(candidate, progress, *, show=None):
            asked.append(candidate)
            if len(asked) == 1:
                raise DataError("diverged", hint="Take less.")
            return quality(candidate, progress)

        study = Study(tmp_path / "study.sqlite", space(), "ndcg@20", seed=0)
        list(study.run(fails_at_first, Budget(3, None), no_progress))
        assert [trial.error for trial in study.trials()] == ["diverged", None, None]
        assert study.best().number in (1, 2)

    def test_all_failed_is_an_error(self, tmp_path):
        def fail(candidate, progress, *, show=None):
            raise DataError("diverged")

        study = Study(tmp_path / "study.sqlite", space(), "ndcg@20", seed=0)
        with pytest.raises(DataError, match=r"no trial was started\nRaise --minutes"):
            check_succeeded(study)
        list(study.run(fail, Budget(2, None), no_progress))
        with pytest.raises(DataError, match="all 2 trials failed; the last: diverged"):
            check_succeeded(study)

    def test_an_error_nobody_expects_ends_the_study(self, tmp_path):
        def broken(candidate, progress, *, show=None):
            raise ValueError("a mistake in a model")

        study = Study(tmp_path / "study.sqlite", space(), "ndcg@20", seed=0)
        with pytest.raises(ValueError, match="a mistake in a model"):
            list(study.run(broken, Budget(2, None), no_progress))
        assert study.trials() == []

    def test_a_file_that_is_no_study_is_an_error(self, tmp_path):
        path = tmp_path / "study.sqlite"
        path.write_text(
            "not a database, but as long as the header of one would be: a hundred bytes, and some more." * 3
        )
        with pytest.raises(StoreError, match=r"study\.sqlite: expected the database of a study: .*\nDelete it"):
            Study(path, space(), "ndcg@20", seed=0)


def record(number, seconds=1.0):
    return TrialRecord(number, {}, {"ndcg@20": 0.1}, {}, seconds, None)


class TestBudget:
    def test_it_counts_the_trials_of_the_whole_study(self):
        budget = Budget(2, None)
        assert budget.allows([])
        assert budget.allows([record(0)])
        assert not budget.allows([record(0), record(1)])

    def test_no_trial_is_started_that_would_take_too_long(self, monkeypatch):
        now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: now)
        budget = Budget(100, minutes=1.0)
        trials = [record(0, 10.0), record(1, 30.0)]
        now = 1040.0
        assert budget.allows(trials)
        now = 1040.5
        assert not budget.allows(trials)
        assert budget.allows([])
        now = 1060.5
        assert not budget.allows([])


class TestSpace:
    def test_every_transform_of_equal_weights_is_the_same_but_for_bm25(self):
        assert space().ranges["weighting.confidence"] == Choice(("binary", "log1p", "raw", "bm25"))
        of_equal = StudySpace.of(config(), weights_differ=False)
        assert of_equal.ranges["weighting.confidence"] == Choice(("binary", "bm25"))

    def test_a_half_life_leaves_out_what_would_not_see_it(self):
        interactions = {"path": "p.csv", "user": "user", "item": "track", "timestamp": "ts"}
        fading = parse_config({"interactions": interactions, "weighting": {"half_life_days": 30.0}})
        ranges = StudySpace.of(fading, weights_differ=True).ranges
        assert ranges["weighting.confidence"] == Choice(("log1p", "raw", "bm25"))

    def test_a_model_that_ignores_confidences_leaves_the_weighting_alone(self):
        assert not any(name.startswith("weighting") for name in space(factorize={"model": "bpr"}).ranges)

    @pytest.mark.parametrize(
        ("declared", "message"),
        [
            ({}, "nothing to tune: the model 'als' declares no search_space"),
            ({"factors": Iterations(1, 3)}, "expected Iterations under 'iterations' alone, got factorize.factors"),
        ],
    )
    def test_a_model_without_a_space_is_an_error(self, monkeypatch, declared, message):
        monkeypatch.setattr(AlternatingLeastSquares, "search_space", declared)
        with pytest.raises(ConfigError, match=message):
            space()

    def test_every_kind_of_range_is_drawn_from(self, monkeypatch, tmp_path):
        declared = {
            "alpha": FloatRange(2.0, 3.0),
            "factors": IntRange(3, 5),
            "regularization": Choice((1.0, 2.0)),
            "iterations": IntRange(4, 6),
        }
        monkeypatch.setattr(AlternatingLeastSquares, "search_space", declared)
        of_all = space()
        assert of_all.iterations is None
        study = Study(tmp_path / "study.sqlite", of_all, "ndcg@20", seed=0)

        def fit(candidate, progress, *, show=None):
            assert show is None
            return Outcome({"ndcg@20": 0.5}, None, {"ndcg@20": 0.5})

        for trial in list(study.run(fit, Budget(4, None), no_progress))[1:]:
            assert all(trial.sections["factorize"][key] in values for key, values in declared.items())


def test_a_plot_of_equal_trials_has_equal_bytes(tmp_path):
    drawn = []
    for name in ("a", "b"):
        study = Study(tmp_path / f"{name}.sqlite", space(), "ndcg@20", seed=0)

        def objective(candidate, progress, *, show=None):
            if candidate.factorize.settings.alpha > 50.0:
                raise DataError("diverged")
            return quality(candidate, progress)

        trials = list(study.run(objective, Budget(5, None), no_progress))
        path = tmp_path / f"{name}.svg"
        draw(path, trials, space(), "ndcg@20", "A title")
        drawn.append(path.read_bytes())
    assert drawn[0] == drawn[1]
