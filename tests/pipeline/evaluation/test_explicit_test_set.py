from __future__ import annotations

import datetime
import json
import warnings

import pytest

import pipeline

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Luigi's, about a default of its own
    from pipeline.tasks import EncodeTestSet, Evaluate, HeldOutInteractions, SplitInteractions
    from pipeline.tuning.validation import SplitTraining


@pytest.fixture
def halves(project):
    """A project whose plays are cut in two files, one to train on and one to test on."""
    head, *lines = (project.folder / "plays.csv").read_text().splitlines()
    test = lines[::5]
    train = [line for number, line in enumerate(lines) if number % 5]
    (project.folder / "plays.csv").write_text("\n".join([head, *train]) + "\n")
    (project.folder / "test.csv").write_text("\n".join([head, *test]) + "\n")
    config = project.config.read_text()
    project.config.write_text(config.replace("[evaluation]", f'[evaluation]\ntest = "{project.folder}/test.csv"'))
    return project


def test_a_test_set_takes_the_place_of_the_hold_out(halves, command):
    """All interactions are for training, and one fit serves the tables and the evaluation."""
    result = command("cfpipe", "run", halves.config)
    assert result.returncode == 0, result.stderr
    assert "FitFactors all" in result.stderr
    assert "FitFactors train" not in result.stderr
    evaluation = pipeline.open_run(halves.root).evaluation
    train, test = ((halves.folder / f"{name}.csv").read_text().splitlines()[1:] for name in ("plays", "test"))
    pairs = {tuple(line.split(",")[:2]) for line in test} - {tuple(line.split(",")[:2]) for line in train}
    assert evaluation["split"]["split"] == "test set"
    assert evaluation["test_pairs"] == evaluation["split"]["test_pairs"] == len(pairs)
    assert "recent_popularity" in evaluation["baselines"]

    plan = json.loads(command("cfpipe", "plan", halves.config, "--json").stdout)
    assert all(step["done"] for step in plan["steps"])
    (halves.folder / "test.csv").write_text((halves.folder / "test.csv").read_text() + "1000,t001,1,2026-01-30\n")
    plan = json.loads(command("cfpipe", "plan", halves.config, "--json").stdout)
    again = {step["name"] for step in plan["steps"] if not step["done"]}
    assert again == {"EncodeTestSet", "Evaluate", "CheckRun", "WriteReport", "PublishRun"}


def test_a_test_set_that_is_not_there_is_said_before_anything_is_done(halves, command):
    (halves.folder / "test.csv").unlink()
    result = command("cfpipe", "run", halves.config)
    assert result.returncode != 0
    assert "no such input" in result.stderr
    assert "test.csv" in result.stderr
    assert not halves.root.exists() or not (halves.root / "encoded").exists()


def _all_required(task):
    return {type(task)}.union(*(_all_required(required) for required in task.requires().values()))


def test_tuning_cannot_read_the_test_set(halves):
    parameters = {"date": datetime.date(2026, 1, 31), "config": str(halves.config)}
    read = _all_required(Evaluate(**parameters))
    assert {EncodeTestSet, HeldOutInteractions} < read
    assert SplitInteractions not in read
    assert not {EncodeTestSet, HeldOutInteractions} & _all_required(SplitTraining(**parameters))
