from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.config import EvaluationSettings
from pipeline.errors import DataError
from pipeline.evaluation import evaluate as module
from pipeline.evaluation.evaluate import Evaluation, evaluate
from pipeline.evaluation.metrics import RANKING_METRICS
from pipeline.factors.base import Factors
from pipeline.progress import no_progress

SETTINGS = EvaluationSettings(cutoffs=(3, 10))

Split = tuple[csr_matrix, csr_matrix]


def _evaluate(split: Split, factors: Factors, settings: EvaluationSettings = SETTINGS, **options: Any) -> Evaluation:
    return evaluate(*split, factors, settings, **{"num_threads": 1, "progress": no_progress, **options})[0]


def test_matches_the_readable_twin(split: Split, factors: Factors, slow_metrics: Any) -> None:
    train, test = (matrix.toarray() for matrix in split)
    result = _evaluate(split, factors)
    known = train.any(axis=0)
    users = [u for u in range(len(train)) if train[u].any() and test[u].any()]
    assert result.users == len(users)
    assert result.users_without_test == sum(1 for u in range(len(train)) if train[u].any() and not test[u].any())
    assert result.users_without_train == sum(1 for u in range(len(train)) if test[u].any() and not train[u].any())
    assert result.items == known.sum()
    assert result.cold_items == 2
    assert result.test_pairs == test[users].sum()
    assert result.test_pairs_of_cold_items == test[users][:, ~known].sum() > 0

    scores = factors.user_factors.astype(np.float64) @ factors.item_factors.astype(np.float64).T
    by_popularity = np.broadcast_to(np.count_nonzero(train, axis=0).astype(np.float64), train.shape)
    for measured, ranking in ((result.model, scores), (result.popularity, by_popularity)):
        lists = {}
        for user in users:
            candidates = np.flatnonzero(known & (train[user] == 0))
            lists[user] = candidates[np.argsort(-ranking[user][candidates], kind="stable")].tolist()
        for k in SETTINGS.cutoffs:
            expected = [slow_metrics(lists[user], set(np.flatnonzero(test[user]).tolist()), k) for user in users]
            for name in expected[0]:
                assert measured[name] == pytest.approx(np.mean([one[name] for one in expected])), name
            top = [item for user in users for item in lists[user][:k]]
            popularity = np.count_nonzero(train, axis=0) / train.any(axis=1).sum()
            assert measured[f"coverage@{k}"] == pytest.approx(len(set(top)) / known.sum())
            assert measured[f"novelty@{k}"] == pytest.approx(np.mean(-np.log2(popularity[top])))


def test_batches_and_threads_change_nothing(split: Split, factors: Factors, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _evaluate(split, factors)
    assert _evaluate(split, factors, num_threads=2) == whole
    monkeypatch.setattr(module, "BATCH_USERS", 7)
    batched = _evaluate(split, factors)
    assert batched.model == pytest.approx(whole.model, rel=1e-12)
    for name, measures in whole.baselines.items():
        assert batched.baselines[name] == pytest.approx(measures, rel=1e-12)
    assert batched.intervals == whole.intervals
    assert batched.segments["by_activity"] == whole.segments["by_activity"]


def test_a_cutoff_beyond_the_catalogue(split: Split, factors: Factors) -> None:
    result = _evaluate(split, factors, EvaluationSettings(cutoffs=(1000,)))
    assert result.model["recall@1000"] == pytest.approx(result.popularity["recall@1000"])
    assert result.model["coverage@1000"] == 1.0


def test_survives_json(split: Split, factors: Factors) -> None:
    result = _evaluate(split, factors)
    assert Evaluation.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False))) == result


def test_reads_an_evaluation_of_the_first_version(split: Split, factors: Factors) -> None:
    result = _evaluate(split, factors)
    document = result.to_json()
    for key in ("baselines", "intervals", "segments"):
        del document[key]
    assert Evaluation.from_json(document).popularity == result.popularity


def test_every_baseline_and_an_interval_for_each(split: Split, factors: Factors) -> None:
    without = _evaluate(split, factors)
    assert list(without.baselines) == ["popularity", "item_knn"]
    recent = split[0].copy()
    recent.data[::2] = 0.0
    recent.eliminate_zeros()
    result = _evaluate(split, factors, recent=recent)
    assert list(result.baselines) == ["popularity", "recent_popularity", "item_knn"]
    assert result.baselines["recent_popularity"] != result.popularity
    assert list(result.intervals) == ["model", *result.baselines]
    for name, measures in {"model": result.model, **result.baselines}.items():
        assert {key.partition("@")[0] for key in result.intervals[name]} == set(RANKING_METRICS)
        for key, (low, high) in result.intervals[name].items():
            assert low <= measures[key] <= high


def test_measures_of_each_user(split: Split, factors: Factors) -> None:
    result, per_user = evaluate(*split, factors, SETTINGS, num_threads=1, progress=no_progress)
    assert len(per_user.rows) == result.users
    assert (np.diff(per_user.rows) > 0).all()
    for name, values in per_user.values.items():
        assert values.dtype == np.float32
        assert values.mean() == pytest.approx(result.model[name], rel=1e-5)


def test_segments_add_up_to_the_whole(split: Split, factors: Factors) -> None:
    result = _evaluate(split, factors)
    by_activity, by_popularity = result.segments["by_activity"], result.segments["by_popularity"]
    assert sum(segment["users"] for segment in by_activity) == result.users
    assert sum(segment["test_pairs"] for segment in by_activity) == result.test_pairs
    total = sum(segment["users"] * segment["measures"]["ndcg@10"] for segment in by_activity)
    assert total / result.users == pytest.approx(result.model["ndcg@10"], rel=1e-5)
    warm = sum(segment["test_pairs"] for segment in by_popularity)
    assert warm + result.test_pairs_of_cold_items == result.test_pairs
    assert sum(segment["items"] for segment in by_popularity) == result.items
    assert sum(segment["measures"]["share@10"] for segment in by_popularity) == pytest.approx(1.0)


def test_cold_users_are_reported_apart(split: Split, factors: Factors, slow_metrics: Any) -> None:
    train, test = (matrix.toarray() for matrix in split)
    cold = [u for u in range(len(train)) if test[u].any() and not train[u].any()]
    users = np.count_nonzero(train, axis=0)
    popular = [item for item in np.lexsort((np.arange(len(users)), -users)).tolist() if users[item]]
    expected = [slow_metrics(popular, set(np.flatnonzero(test[u]).tolist()), 10) for u in cold]
    segment = _evaluate(split, factors).segments["cold_users"]
    assert (segment["users"], segment["test_pairs"]) == (len(cold), test[cold].sum())
    assert len(cold) > 0
    for name in expected[0]:
        assert segment["popularity"][name] == pytest.approx(np.mean([each[name] for each in expected])), name


def test_reports_progress(split: Split, factors: Factors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_USERS", 50)
    reports: list[float] = []
    _evaluate(split, factors, progress=lambda fraction, message: reports.append(fraction))
    assert len(reports) == 3 * 3
    assert reports == sorted(reports)
    assert reports[-1] == 1.0


def test_nothing_to_evaluate_is_a_clear_error(split: Split, factors: Factors) -> None:
    train, _ = split
    with pytest.raises(DataError, match=r"nothing to evaluate.*0 have test interactions"):
        _evaluate((train, csr_matrix(train.shape, dtype=np.float32)), factors)


def test_shapes_must_match(split: Split, factors: Factors) -> None:
    train, test = split
    with pytest.raises(ValueError, match="test: expected the shape of the factors"):
        _evaluate((train, test[:-1]), factors)


def test_a_model_of_the_truth_beats_popularity(split: Split) -> None:
    train, test = split
    _n_users, n_items = train.shape
    truth = Factors(test.toarray().astype(np.float32), np.eye(n_items, dtype=np.float32))
    result = _evaluate(split, truth)
    assert result.model["ndcg@10"] > 0.9 > result.popularity["ndcg@10"]
