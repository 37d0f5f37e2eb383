from __future__ import annotations

import pytest

import pipeline
from pipeline.config import parse_config
from pipeline.errors import ConfigError
from pipeline.evaluation.folds import summarize_folds


def _document(**measures: float) -> dict:
    counts = {"split": {}, "hold_out": "x", "users": 3, "test_pairs": 5, "segments": {}}
    return {**counts, "model": measures, "baselines": {"popularity": {"ndcg@20": 0.1}}, "intervals": {}}


def test_means_and_deviations_by_hand() -> None:
    result = summarize_folds([_document(**{"ndcg@20": 0.1, "mrr@20": 0.5}), _document(**{"ndcg@20": 0.3})])
    assert result["count"] == 2
    assert result["mean"] == {"model": {"ndcg@20": pytest.approx(0.2)}, "popularity": {"ndcg@20": pytest.approx(0.1)}}
    assert result["deviation"] == {"ndcg@20": pytest.approx(0.02**0.5)}
    assert [each["model"]["ndcg@20"] for each in result["each"]] == [0.1, 0.3]
    assert "segments" not in result["each"][0]


def _config(evaluation: dict, **interactions: str) -> dict:
    return {"interactions": {"path": "x.csv", "user": "u", "item": "i", **interactions}, "evaluation": evaluation}


def test_folds_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"evaluation.folds = 4: expected folds times test_fraction below 1.*got 1.2"):
        parse_config(_config({"folds": 4, "test_fraction": 0.3}, timestamp="t"))
    parse_config(_config({"folds": 3, "test_fraction": 0.3}, timestamp="t"))
    parse_config(_config({"folds": 4, "test_fraction": 0.3}))


def test_a_test_set_has_one_fold() -> None:
    with pytest.raises(ConfigError, match=r"evaluation.folds = 2: a test set, evaluation.test, has only one"):
        parse_config(_config({"folds": 2, "test": "test.csv"}))


@pytest.mark.parametrize("by", ["time", "user"])
def test_each_fold_is_fitted_and_measured_and_the_first_stays_what_it_is(project, published, command, by) -> None:
    settings = ("--set", "evaluation.folds=3", "--set", f'evaluation.split="{by}"')
    result = command("cfpipe", "run", project.config, *settings)
    assert result.returncode == 0, result.stderr
    assert "3 folds" in result.stdout
    evaluation = pipeline.open_run(project.root).evaluation
    folds = evaluation["folds"]
    assert folds["count"] == len(folds["each"]) == 3
    assert folds["each"][0]["model"] == evaluation["model"]
    assert len({each["hold_out"] for each in folds["each"]}) == 3
    assert len({each["model"]["ndcg@20"] for each in folds["each"]}) == 3
    if by == "time":
        assert evaluation["model"] == pipeline.open_run(published.root).evaluation["model"]
        cutoffs = [each["split"]["cutoff"] for each in folds["each"]]
        assert cutoffs == sorted(cutoffs, reverse=True)
        assert [each["split"].get("until") for each in folds["each"]] == [None, *cutoffs[:-1]]
