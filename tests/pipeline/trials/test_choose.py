"""What is chosen by trials, what is left alone, and when there are none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.config import parse_config
from pipeline.data.split import split_by_user
from pipeline.errors import DataError
from pipeline.factors.choosing import choose_settings
from pipeline.progress import no_progress
from pipeline.trials import choose
from pipeline.trials.candidate import Candidate
from pipeline.trials.choose import Choice, choose_by_trials, is_tried
from pipeline.trials.objective import Objective, Validation

TRIED = {
    "factorize.alpha",
    "factorize.regularization",
    "factorize.iterations",
    "weighting.user_degree_power",
    "weighting.item_degree_power",
}


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(3)
    same = (np.arange(260) % 5)[:, None] == (np.arange(90) % 5)[None, :]
    popular = rng.random(90) ** 3
    plays = (rng.random((260, 90)) < np.where(same, 0.5, 0.08) * (0.2 + popular)).astype(np.float32)
    plays[:, :2] = 1.0
    train, test, _ = split_by_user(csr_matrix(plays * rng.integers(1, 9, plays.shape).astype(np.float32)), 0.2, 0)
    return train, test


def candidate(factorize=None, **weighting):
    return Candidate.of(
        parse_config(
            {
                "interactions": {"path": "plays.csv", "user": "user", "item": "track"},
                "factorize": {"factors": 6, **(factorize or {})},
                "weighting": weighting,
            }
        )
    )


def choice_of(configured, parts, **options):
    options = {"seed": 0, "num_threads": 1, "progress": no_progress, **options}
    return choose_by_trials(configured, *parts, "ndcg@20", **options)


@pytest.fixture(scope="module")
def choice(parts):
    return choice_of(candidate(), parts)


def test_the_best_trial_is_chosen_and_the_first_is_what_the_rule_says(choice, parts):
    trials, chosen = choice.trials, choice.chosen
    configured = candidate()
    rule = choose_settings("als", configured.factorize.settings, configured.weighting, parts[0]).chosen
    best = max(trials, key=lambda trial: trial.value)
    best = best if best.value >= choose._GAIN * trials[0].value else trials[0]
    assert {name: chosen.values[name] for name in TRIED} == best.values
    assert chosen.values["weighting.confidence"] == rule.values["weighting.confidence"]
    assert {**trials[0].values, "factorize.iterations": 0}.items() <= {**rule.values, "factorize.iterations": 0}.items()
    assert (chosen.trials.count, chosen.trials.best, chosen.trials.of_rule) == (
        len(trials),
        best.value,
        trials[0].value,
    )
    assert chosen.statistics == rule.statistics
    assert len({json.dumps(trial.values) for trial in trials}) == len(trials) == 22


def test_a_trial_is_worth_what_its_fit_is(choice, parts):
    values = choice.chosen.values
    fit = Objective(parts[0], Validation(*parts, 20, num_threads=1), "ndcg@20", None, seed=0, num_threads=1)
    measured = fit(candidate().filled_in(parts[0], choice.chosen), no_progress).measures["ndcg@20"]
    assert measured == choice.chosen.trials.best
    assert candidate().filled_in(parts[0], choice.chosen).values(values) == values


def test_threads_change_nothing(choice, parts):
    assert choice_of(candidate(), parts, num_threads=2) == choice


def test_what_is_given_is_never_tried_otherwise(parts):
    given = candidate({"alpha": 3.0, "iterations": 5}, user_degree_power=0.7)
    choice = choice_of(given, parts)
    assert all(
        trial.values.keys() == {"factorize.regularization", "weighting.item_degree_power"} for trial in choice.trials
    )
    filled = given.filled_in(parts[0], choice.chosen)
    assert (filled.factorize.settings.alpha, filled.factorize.settings.iterations) == (3.0, 5)
    assert filled.weighting.user_degree_power == 0.7
    assert choice.chosen.values.keys() == {
        "factorize.regularization",
        "weighting.item_degree_power",
        "weighting.confidence",
    }


def test_passes_alone_are_chosen_in_one_fit(parts):
    given = candidate({"alpha": 3.0, "regularization": 2.0}, user_degree_power=0.7, item_degree_power=0.3)
    choice = choice_of(given, parts)
    assert [trial.values.keys() for trial in choice.trials] == [{"factorize.iterations"}]


def test_a_bad_beginning_is_left_behind(parts):
    bad = {"factorize.alpha": 100.0, "factorize.regularization": 500.0} | dict.fromkeys(choose._TRIED[2:], 1.0)
    choice = choice_of(candidate(), parts, beginnings=[bad])
    assert bad.items() <= choice.trials[0].values.items()
    values = [trial.value for trial in choice.trials]
    assert values[0] < max(values[:5]) < max(values)
    assert choice.chosen.trials.best == max(values) > 1.1 * values[0]


def test_a_gain_that_may_be_chance_is_left_alone(parts, monkeypatch):
    bad = {"factorize.alpha": 100.0, "factorize.regularization": 500.0} | dict.fromkeys(choose._TRIED[2:], 1.0)
    monkeypatch.setattr(choose, "_GAIN", 100.0)
    choice = choice_of(candidate(), parts, beginnings=[bad])
    assert choice.chosen.trials.best == choice.trials[0].value < max(trial.value for trial in choice.trials)
    assert bad.items() <= choice.chosen.values.items()


def test_a_fit_that_diverges_is_a_bad_choice(parts, monkeypatch):
    fit = Objective.__call__

    def diverging(objective, candidate, progress, **options):
        if candidate.factorize.settings.alpha > 10.0:
            raise DataError("the fit diverged")
        return fit(objective, candidate, progress, **options)

    monkeypatch.setattr(Objective, "__call__", diverging)
    beginnings = [dict.fromkeys(choose._TRIED, 0.5) | {"factorize.alpha": 11.0}, dict.fromkeys(choose._TRIED, 0.5)]
    choice = choice_of(candidate(), parts, beginnings=beginnings)
    assert choice.trials[0].value is None
    assert choice.chosen.trials.of_rule is None
    assert choice.chosen.trials.best == max(trial.value for trial in choice.trials if trial.value is not None)
    assert "none, its fit diverged" in str(choice.chosen.trials)


def test_too_few_users_or_too_much_work_leave_the_rule_alone(parts, monkeypatch):
    few = choice_of(candidate(), [part[:150] for part in parts])
    assert few == Choice(None, few.skipped)
    assert "users to measure on, fewer than 200" in few.skipped
    monkeypatch.setattr(choose, "_MOST", 1e6)
    much = choice_of(candidate(), parts)
    assert much.chosen is None
    assert "260 users and 90 items they would take too long" in much.skipped
    monkeypatch.setattr(choose, "_MOST", 1e9)
    assert choice_of(candidate({"iterations": 1_000}), parts).chosen is None
    assert choice_of(candidate({"iterations": 1}), parts).chosen is not None


def test_rounds_are_left_out_where_they_would_take_long(choice, parts, monkeypatch):
    monkeypatch.setattr(choose, "_ENOUGH", 1.0)
    short = choice_of(candidate(), parts)
    assert short.trials == choice.trials[: len(short.trials)]
    assert 2 + 4 + 4 >= len(short.trials) > 6


def test_json_round_trip(choice):
    assert Choice.from_json(json.loads(json.dumps(choice.to_json(), allow_nan=False))) == choice
    skipped = Choice(None, "why")
    assert Choice.from_json(json.loads(json.dumps(skipped.to_json()))) == Choice(None, "why", [])


def test_other_models_keep_their_rule():
    assert is_tried("als", ["factorize.alpha"])
    assert is_tried("als", ["factorize.iterations"])
    assert not is_tried("als", ["weighting.confidence"])
    assert not is_tried("bpr", ["factorize.iterations"])
