"""Trials of settings in a run: what is recorded and shown, and what they never see."""

from __future__ import annotations

import datetime
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import pipeline

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Luigi's, about a default of its own
    from pipeline.tasks import ChooseSettings, FitFactors

DATE = datetime.date(2026, 1, 31)
CONFIG = """
[run]
root = "{folder}/runs"
date = 2026-01-31

[interactions]
path = "{folder}/plays.csv"
user = "user"
item = "track"
timestamp = "ts"

[factorize]
factors = 6
"""


def write_plays(folder, *, late_shift=0):
    """Plays of 300 users with five tastes; those of the last fifth may be of others."""
    rng = np.random.default_rng(1)
    users = rng.integers(0, 300, 9_000)
    tracks = np.where(rng.random(9_000) < 0.8, users % 5 + 5 * rng.integers(0, 16, 9_000), rng.integers(0, 80, 9_000))
    late = np.arange(9_000) >= 7_200
    users, tracks = users + late * late_shift, (tracks + late * late_shift) % (80 + late_shift)
    times = 1_760_000_000 + 60 * np.arange(9_000)
    lines = [f"{user},{track},{time}" for user, track, time in zip(users, tracks, times, strict=True)]
    (folder / "plays.csv").write_text("\n".join(["user,track,ts", *lines]) + "\n")


def write_project(folder, **options):
    write_plays(folder, **options)
    text = CONFIG.format(folder=folder).replace('timestamp = "ts"', 'timestamp = "ts"\ntimestamp_unit = "s"')
    (folder / "config.toml").write_text(text)
    return folder / "config.toml"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_project(tmp_path_factory.mktemp("trials"))


@pytest.fixture(scope="module")
def shown(config, command):
    """What the run of the configuration printed."""
    result = command("cfpipe", "run", config)
    assert result.returncode == 0, result.stderr
    return result.stdout


def choice_in(config):
    choose = ChooseSettings(date=DATE, config=str(config))
    return json.loads(Path(choose.output().path, "choice.json").read_text())


def test_all_fits_of_a_run_have_the_settings_that_were_chosen_once(shown, config):
    chosen = choice_in(config)["chosen"]
    fits = [FitFactors(date=DATE, config=str(config), split=split).open() for split in ("all", "train")]
    for model in fits:
        assert model.chosen.to_json() == chosen
        settings = {"factorize": model.factorizer.settings, "weighting": model.weighting.settings}
        for name, value in chosen["values"].items():
            section, _, key = name.partition(".")
            assert getattr(settings[section], key) == value
    run = pipeline.open_run(config.parent / "runs")
    assert run.manifest("items_for_users")["chosen_from_data"] == chosen


def test_run_plan_and_report_tell_of_the_trials(shown, config, command):
    trials = choice_in(config)["chosen"]["trials"]
    line = f"By {trials['count']} trials, ndcg@20 of {trials['users']:,} users on a part of the training data: "
    assert line in shown
    assert line in command("cfpipe", "plan", config).stdout
    (report,) = (config.parent / "runs/reports").glob("*/report.html")
    assert line in report.read_text()


def test_the_hold_out_of_the_evaluation_changes_nothing(shown, config, tmp_path, command):
    other = write_project(tmp_path, late_shift=40)
    assert command("cfpipe", "run", other, "--set", "gates.min_against_popularity=0").returncode == 0
    assert choice_in(other) == choice_in(config)
    assert (tmp_path / "plays.csv").read_text() != (config.parent / "plays.csv").read_text()


def test_an_explicit_test_set_is_not_even_opened(shown, config):
    """There is none at the path."""
    explicit = [f"evaluation.test='{config.parent}/test.csv'"]
    choose = ChooseSettings(date=DATE, config=str(config), overrides=explicit)
    choose.run()
    # All interactions are the training part then.
    assert choose.open().chosen.statistics.pairs > choice_in(config)["chosen"]["statistics"]["pairs"]


def test_the_rule_alone_fits_nothing_else(shown, config, tmp_path, command):
    shutil.copy(config.parent / "plays.csv", tmp_path)
    other = tmp_path / "config.toml"
    other.write_text(config.read_text().replace(str(config.parent), str(tmp_path)) + 'defaults = "rule"\n')
    result = command("cfpipe", "run", other)
    assert result.returncode == 0, result.stderr
    assert "trials" not in result.stdout
    assert not (tmp_path / "runs/chosen").exists()
    assert pipeline.open_run(tmp_path / "runs").fold_in.model.chosen.trials is None


def test_what_is_too_small_is_said_to_be(published, command):
    why = pipeline.open_run(published.root).fold_in.model.chosen.trials.skipped
    assert "users to measure on, fewer than 200" in why
    assert f"By the rule, without trials: {why}." in command("cfpipe", "plan", published.config).stdout


def test_what_cannot_be_split_once_more_goes_by_the_rule(tmp_path):
    config = write_project(tmp_path)
    rows = [f"{user},{track},{1_760_000_000 + user}" for user in range(300) for track in range(user % 7, user % 7 + 5)]
    (tmp_path / "plays.csv").write_text("\n".join(["user,track,ts", *rows]) + "\n")
    by_user = {"date": DATE, "config": str(config), "overrides": ['evaluation.split="user"']}
    choose = ChooseSettings(**by_user)
    for task in (choose.requires()["interactions"], choose):
        task.run()
    assert choose.open().chosen is None
    assert "cannot be split once more" in choose.open().skipped


def test_settings_that_are_all_given_are_not_tried(config):
    given = ["factorize.alpha=2.0", "factorize.regularization=1.0", "factorize.iterations=3"]
    given += ["weighting.user_degree_power=0.0", "weighting.item_degree_power=0.0"]
    fit = FitFactors(date=DATE, config=str(config), overrides=given)
    assert not fit.settings_are_tried()
    assert FitFactors(date=DATE, config=str(config), overrides=given[1:]).settings_are_tried()
    assert not FitFactors(date=DATE, config=str(config), overrides=['factorize.model="spectral"']).settings_are_tried()
