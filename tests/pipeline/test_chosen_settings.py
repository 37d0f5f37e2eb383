"""Settings that a configuration leaves to the data: what a run records, shows and fingerprints."""

from __future__ import annotations

import datetime
import json
import warnings

import pytest

import pipeline
from pipeline.factors import defaults
from pipeline.factors.statistics import MatrixStatistics

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Luigi's, about a default of its own
    from pipeline.tasks import Evaluate, FitFactors

#: What the small project leaves open: it sets `factors` and `iterations`.
OPEN = {
    "weighting.confidence",
    "weighting.user_degree_power",
    "weighting.item_degree_power",
    "factorize.alpha",
    "factorize.regularization",
}
DATE = datetime.date(2026, 1, 31)


@pytest.fixture(scope="module")
def run(published):
    return pipeline.open_run(published.root)


def fit_of(project, **parameters):
    return FitFactors(date=DATE, config=str(project.config), **parameters)


def test_the_model_records_what_was_chosen_and_from_what(run):
    model = run.fold_in.model
    assert set(model.chosen.values) == OPEN
    assert model.chosen.rule == defaults.RULE_VERSION
    assert model.chosen.statistics == MatrixStatistics.of(run.encoded.user_items)
    assert model.chosen.values["factorize.alpha"] == model.factorizer.settings.alpha
    assert model.chosen.values["weighting.confidence"] == model.weighting.settings.confidence
    assert (model.factorizer.settings.factors, model.factorizer.settings.iterations) == (8, 5)


def test_every_manifest_has_the_settings_and_what_they_were_chosen_from(run):
    model = run.fold_in.model
    for table in run.tables:
        manifest = run.manifest(table)
        assert manifest["parameters"]["model"] == "als"
        assert manifest["parameters"]["factorize"] == model.factorizer.settings.model_dump(mode="json")
        assert manifest["parameters"]["weighting"] == model.weighting.settings.model_dump(mode="json")
        assert manifest["chosen_from_data"] == json.loads(json.dumps(model.chosen.to_json()))


def test_what_is_evaluated_is_chosen_from_the_training_part_alone(published, run):
    statistics = fit_of(published, split="train").open().chosen.statistics
    parts = Evaluate(date=DATE, config=str(published.config)).hold_out().open()
    assert statistics == MatrixStatistics.of(parts.train)
    assert statistics.pairs < run.fold_in.model.chosen.statistics.pairs


def test_run_and_plan_say_what_was_chosen(published, command):
    line = "Chosen from the data: factorize.alpha = "
    again = command("cfpipe", "run", published.config)
    assert line in again.stdout
    shown = next(text for text in again.stdout.splitlines() if text.startswith("Chosen from the data"))
    assert all(name in again.stdout for name in OPEN)
    assert "iterations" not in shown
    planned = json.loads(command("cfpipe", "plan", published.config, "--json").stdout)
    assert set(planned["chosen_from_data"]) == OPEN
    assert planned["chosen_from_data"]["factorize.alpha"] > 0.0
    assert line in command("cfpipe", "plan", published.config).stdout


def test_before_the_fit_a_plan_says_what_will_be_chosen(project, command):
    planned = command("cfpipe", "plan", project.config, "--json", "--set", "factorize.alpha=3.0")
    assert json.loads(planned.stdout)["chosen_from_data"] == dict.fromkeys(OPEN - {"factorize.alpha"})
    shown = command("cfpipe", "plan", project.config, "--set", 'weighting.confidence="auto"').stdout
    assert "Chosen from the data when the model is fitted: factorize.alpha, " in shown


def test_auto_is_absent_and_is_no_value(published, monkeypatch):
    """`auto` and the rule that it asks are what a fingerprint holds; a value is a value, even the chosen one."""
    absent = fit_of(published)
    given = fit_of(published, overrides=['weighting.confidence="auto"', 'factorize.alpha="auto"'])
    assert given.ingredients() == absent.ingredients()
    assert absent.ingredients()["settings"]["alpha"] == "auto"
    chosen = absent.open().chosen.values
    overrides = [f"{name}={json.dumps(value)}" for name, value in chosen.items()]
    explicit = fit_of(published, overrides=overrides)
    assert explicit.ingredients()["rule"] is None
    assert explicit.fingerprint != absent.fingerprint
    before = absent.ingredients()
    monkeypatch.setattr("pipeline.tasks.factors.RULE_VERSION", defaults.RULE_VERSION + 1)
    assert absent.ingredients() == before | {"rule": defaults.RULE_VERSION + 1}
    assert explicit.ingredients()["rule"] is None


def test_a_setting_that_is_not_to_be_chosen_is_a_clear_error(project, command):
    wrong = command("cfpipe", "plan", project.config, "--set", 'factorize.factors="auto"')
    assert wrong.returncode == 2
    assert "factorize.factors" in wrong.stderr
    assert "'auto'" in wrong.stderr
