from __future__ import annotations

import pickle

import numpy as np
import pytest

from pipeline.config import EvaluationSettings
from pipeline.data.split import Split, split
from pipeline.errors import DataError


@pytest.fixture
def some(write, encoded):
    """Encoded random events; with times unless told otherwise."""

    def make(*, times=True, size=400, n_users=30, n_items=20, spread=60):
        random = np.random.default_rng(3)
        table = {
            "u": random.integers(0, n_users, size),
            "i": random.integers(0, n_items, size),
            "w": random.integers(1, 5, size),
        }
        interactions = {"user": "u", "item": "i", "weight": "w"}
        if times:
            table["t"] = 1_760_000_000 + random.integers(0, spread, size)
            interactions |= {"timestamp": "t", "timestamp_unit": "s"}
        return encoded({"interactions": {**interactions, "path": str(write("a.parquet", table))}})

    return make


@pytest.fixture
def halves(tmp_path_factory):
    def make(encoded, *, fraction=0.2, by_time, seed=0, fold=0):
        folder = tmp_path_factory.mktemp("split")
        settings = EvaluationSettings(test_fraction=fraction)
        split(encoded, settings, by_time=by_time, seed=seed, fold=fold, folder=folder)
        return Split.open(folder)

    return make


def split_slowly(events, fraction, shape):
    """The readable twin of the split by time."""
    times = np.sort(events.timestamps)
    cutoff = times[len(times) - int(fraction * len(times))]
    train, test = np.zeros(shape), np.zeros(shape)
    for user, item, weight, time in zip(
        events.user_rows, events.item_rows, events.weights, events.timestamps, strict=True
    ):
        if time < cutoff:
            train[user, item] += weight
    for user, item, time in zip(events.user_rows, events.item_rows, events.timestamps, strict=True):
        if time >= cutoff and not train[user, item]:
            test[user, item] = 1
    return train, test, cutoff


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5])
def test_the_split_by_time_agrees_with_the_slow_twin(some, halves, fraction):
    encoded = some()
    result = halves(encoded, fraction=fraction, by_time=True)
    train, test, cutoff = split_slowly(encoded.events, fraction, encoded.user_items.shape)
    assert np.array_equal(result.train.toarray(), train)
    assert np.array_equal(result.test.toarray(), test)
    assert result.stats["cutoff"] == cutoff
    assert result.stats["train_events"] + result.stats["test_events"] == len(encoded.events.timestamps)
    assert result.stats["test_pairs"] == test.sum()
    assert result.stats["test_users"] == np.count_nonzero(test.sum(axis=1))


def test_folds_by_time_follow_each_other_backwards(some, halves):
    encoded = some(spread=10_000)
    events, shape = encoded.events, encoded.user_items.shape
    order = np.argsort(events.timestamps)
    size = len(order) // 5
    for fold in range(3):
        result = halves(encoded, by_time=True, fold=fold)
        end = len(order) - fold * size
        train, test = np.zeros(shape), np.zeros(shape)
        for place in order[: end - size]:
            train[events.user_rows[place], events.item_rows[place]] += events.weights[place]
        for place in order[end - size : end]:
            user, item = events.user_rows[place], events.item_rows[place]
            test[user, item] = train[user, item] == 0
        assert np.array_equal(result.train.toarray(), train)
        assert np.array_equal(result.test.toarray(), test)
        assert result.stats["test_events"] == size
        assert result.stats.get("until") == (None if fold == 0 else events.timestamps[order[end]])


def test_folds_by_user_are_other_choices(some, halves):
    encoded = some()
    folds = [halves(encoded, by_time=False, fold=fold).test for fold in range(3)]
    assert len({fold.nnz for fold in folds}) == 1
    assert all((folds[one] != folds[other]).nnz for one, other in [(0, 1), (0, 2), (1, 2)])


def test_a_fold_without_events_before_it_is_an_error(some, halves):
    with pytest.raises(DataError, match="expected events before the hold-out, but the last 80% of 400 events"):
        halves(some(spread=2), fraction=0.4, by_time=True, fold=1)


@pytest.mark.parametrize("times", [True, False])
@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.99])
def test_the_split_by_user_holds_out_the_share_of_each(some, halves, times, fraction):
    encoded = some(times=times)
    result = halves(encoded, fraction=fraction, by_time=False)
    items = np.diff(encoded.user_items.indptr)
    assert np.diff(result.test.indptr).tolist() == [int(fraction * count + 1e-9) for count in items]
    assert result.train.nnz + result.test.nnz == encoded.user_items.nnz
    assert result.train.multiply(result.test).nnz == 0
    assert set(result.test.data.tolist()) == {1.0}
    rebuilt = result.train + encoded.user_items.multiply(result.test)
    assert np.array_equal(rebuilt.toarray(), encoded.user_items.toarray())
    assert result.train.shape == result.test.shape == encoded.user_items.shape


@pytest.mark.parametrize("by_time", [True, False])
def test_the_recent_part_is_the_last_training_events(some, halves, by_time):
    encoded = some()
    result = halves(encoded, by_time=by_time)
    events, train = encoded.events, result.train.toarray()
    before = result.stats.get("cutoff", np.inf)
    trained = [
        (time, user, item)
        for user, item, time in zip(events.user_rows, events.item_rows, events.timestamps, strict=True)
        if train[user, item] and time < before
    ]
    since = sorted(trained)[-int(0.25 * len(trained))][0]
    expected = np.zeros_like(train)
    for time, user, item in trained:
        if time >= since:
            expected[user, item] = 1
    assert np.array_equal(result.recent(events, 0.25).toarray(), expected)
    assert 0 < expected.sum() < 0.5 * len(trained)


def test_the_seed_decides_the_split_by_user(some, halves):
    encoded = some()
    first, same, other = (halves(encoded, by_time=False, seed=seed) for seed in (1, 1, 2))
    assert (first.test != same.test).nnz == 0
    assert (first.test != other.test).nnz > 0
    for name in ("train/data.npy", "test/indices.npy", "split.json"):
        assert (first.folder / name).read_bytes() == (same.folder / name).read_bytes()


def test_held_out_items_are_spread_evenly(some, halves):
    encoded = some(size=6_000, n_users=200, n_items=20)
    places = [
        place
        for seed in range(5)
        for test, whole in [(halves(encoded, by_time=False, seed=seed).test, encoded.user_items)]
        for user in range(200)
        for place in np.searchsorted(
            whole.indices[whole.indptr[user] : whole.indptr[user + 1]],
            test.indices[test.indptr[user] : test.indptr[user + 1]],
        )
        / max(1, np.diff(whole.indptr)[user] - 1)
    ]
    assert np.mean(places) == pytest.approx(0.5, abs=0.03)


def test_a_hold_out_that_would_be_empty_is_an_error(some, halves, encoded, write):
    with pytest.raises(DataError, match="the hold-out is empty: no user has 100 items"):
        halves(some(), fraction=0.01, by_time=False)
    with pytest.raises(DataError, match="expected events before the hold-out, but the last 20% of 400 events"):
        halves(some(spread=1), by_time=True)
    path = write("b.csv", "u,i,t\n" + "".join(f"1,x,2026-01-{day:02d}\n" for day in range(1, 11)))
    interactions = {"path": str(path), "user": "u", "item": "i", "timestamp": "t"}
    with pytest.raises(DataError, match="the hold-out is empty: none of the 2 last events is of a new user and item"):
        halves(encoded({"interactions": interactions}), by_time=True)


def test_a_split_by_time_needs_timestamps(some, halves):
    with pytest.raises(DataError, match="a split by time needs timestamps"):
        halves(some(times=False), by_time=True)


def test_it_pickles_as_its_path_and_is_found_only_when_whole(some, halves, tmp_path):
    result = halves(some(), by_time=True)
    _ = result.train, result.test
    assert len(pickle.dumps(result)) < 500
    assert pickle.loads(pickle.dumps(result)).train.nnz == result.train.nnz  # noqa: S301
    with pytest.raises(FileNotFoundError, match="expected a split for evaluation, found none"):
        Split.open(tmp_path)
