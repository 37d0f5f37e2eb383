"""The training part, split again: what is in it, and that nothing of the hold-out is."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.data.encode import EncodedEvents
from pipeline.data.matrices import sum_pairs
from pipeline.data.split import split_by_time, split_by_user
from pipeline.errors import DataError

N_USERS, N_ITEMS, N_EVENTS = 40, 30, 2000


@pytest.fixture(scope="module")
def validation():
    """The module; importing Luigi warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from pipeline.trials import hold_out as validation
    return validation


def encoded(times, users=None, items=None):
    """Events at some times, of random users and items."""
    rng = np.random.default_rng(4)
    times = np.asarray(times, np.int64)
    users = rng.integers(0, N_USERS, len(times)) if users is None else users
    items = rng.integers(0, N_ITEMS, len(times)) if items is None else items
    weights = rng.integers(1, 5, len(times)).astype(np.float32)
    events = EncodedEvents(np.asarray(users, np.int32), np.asarray(items, np.int32), weights, times)
    user_items = sum_pairs(events.user_rows, events.item_rows, weights, (N_USERS, N_ITEMS))
    return SimpleNamespace(events=events, user_items=user_items)


def pairs(matrix):
    return set(zip(*matrix.nonzero(), strict=True))


def test_by_time_the_training_events_are_split_as_the_evaluation_splits_all(validation):
    data = encoded(np.random.default_rng(0).permutation(N_EVENTS))
    train, held_out, stats = validation.split_training_by_time(data, 0.2, seed=0, hold_outs=1)
    assert (stats["train_events"], stats["test_events"]) == (1280, 320)
    events, earlier = data.events, data.events.timestamps < 1280
    expected = sum_pairs(events.user_rows[earlier], events.item_rows[earlier], events.weights[earlier], train.shape)
    np.testing.assert_array_equal(train.toarray(), expected.toarray())
    assert not pairs(train) & pairs(held_out)


def test_by_time_the_hold_out_leaves_no_trace(validation):
    data = encoded(np.arange(N_EVENTS))
    users, items = data.events.user_rows.copy(), data.events.item_rows.copy()
    late = np.arange(N_EVENTS) >= 0.8 * N_EVENTS
    users[users == 7], items[items == 5] = 8, 6
    users[late], items[late] = 7, 5  # a user and an item of the hold-out alone
    parts = validation.split_training_by_time(encoded(np.arange(N_EVENTS), users, items), 0.2, seed=0, hold_outs=1)
    users[late], items[late] = 3, 4
    others = validation.split_training_by_time(encoded(np.arange(N_EVENTS), users, items), 0.2, seed=0, hold_outs=1)
    for part, other in zip(parts[:2], others[:2], strict=True):
        assert part.shape == (N_USERS - 1, N_ITEMS - 1)
        np.testing.assert_array_equal(part.toarray(), other.toarray())


def test_by_user_it_is_the_training_items_that_are_split(validation):
    data = encoded(np.arange(N_EVENTS))
    train, held_out, _ = validation.split_training_by_user(data, 0.2, seed=3, hold_outs=1)
    training, test, _ = split_by_user(data.user_items, 0.2, 3)
    assert pairs(train) | pairs(held_out) == pairs(training)
    assert not pairs(train) & pairs(held_out)
    assert not (pairs(train) | pairs(held_out)) & pairs(test)
    np.testing.assert_array_equal(held_out.getnnz(axis=1), np.floor(0.2 * training.getnnz(axis=1)))


def test_by_user_items_of_the_hold_out_alone_are_left_out(validation):
    items = np.arange(10)
    data = encoded(np.arange(10), np.zeros(10), items)
    train, held_out, _ = validation.split_training_by_user(data, 0.3, seed=0, hold_outs=1)
    assert train.shape == held_out.shape == (1, 7)
    assert train.nnz + held_out.nnz == 7


def test_with_an_explicit_test_set_all_interactions_are_for_training(validation):
    data = encoded(np.arange(N_EVENTS))
    by_time = validation.split_training_by_time(data, 0.2, seed=0, hold_outs=0)
    expected = split_by_time(data.events, (N_USERS, N_ITEMS), 0.2)
    by_user = validation.split_training_by_user(data, 0.2, seed=0, hold_outs=0)
    for part, other in zip(by_time[:2], expected[:2], strict=True):
        np.testing.assert_array_equal(part.toarray(), other.toarray())
    assert pairs(by_user[0]) | pairs(by_user[1]) == pairs(data.user_items)


def test_nothing_of_any_fold_is_seen(validation):
    data = encoded(np.arange(N_EVENTS))
    *parts, stats = validation.split_training_by_time(data, 0.2, seed=0, hold_outs=3)
    assert stats["train_events"] + stats["test_events"] == 0.4 * N_EVENTS
    parts = validation.split_training_by_user(data, 0.2, seed=5, hold_outs=3)[:2]
    held_out = [pairs(split_by_user(data.user_items, 0.2, 5, fold)[1]) for fold in range(3)]
    assert pairs(parts[0]) | pairs(parts[1]) == pairs(data.user_items) - set().union(*held_out)


@pytest.mark.parametrize(
    ("times", "message"),
    [([5] * 10, "there are no events before the hold-out"), ([1] * 8 + [2, 2], "cannot be split once more")],
)
def test_times_that_cannot_be_split_twice_are_an_error(validation, times, message):
    with pytest.raises(DataError, match=f"no validation part: .*{message}"):
        validation.split_training_by_time(encoded(times), 0.2, seed=0, hold_outs=1)


def test_users_with_too_few_items_are_an_error(validation):
    data = SimpleNamespace(user_items=csr_matrix(np.ones((3, 5), np.float32)))
    with pytest.raises(DataError, match=r"no validation part: .*the hold-out is empty: no user has 5 items"):
        validation.split_training_by_user(data, 0.2, seed=0, hold_outs=1)


DAY = 86_400_000_000


@pytest.mark.parametrize("by", ["time", "user"])
def test_weights_fade_back_from_the_last_training_event(validation, by):
    data = encoded(np.random.default_rng(0).permutation(N_EVENTS) * DAY)
    split = getattr(validation, f"split_training_by_{by}")
    plain, held_out, stats = split(data, 0.2, seed=0, hold_outs=1)
    faded, faded_held_out, faded_stats = split(data, 0.2, seed=0, hold_outs=1, half_life_days=300.0)
    assert stats == faded_stats
    assert (held_out != faded_held_out).nnz == 0
    np.testing.assert_array_equal(plain.indices, faded.indices)
    np.testing.assert_array_equal(plain.indptr, faded.indptr)
    events = data.events
    if by == "time":
        trained = events.timestamps < 1280 * DAY
        users, items = np.arange(N_USERS), np.arange(N_ITEMS)
    else:
        first, _, _ = split_by_user(data.user_items, 0.2, 0)
        users, items = np.flatnonzero(np.diff(first.indptr)), np.unique(first.indices)
        there = {(users[user], items[item]) for user, item in pairs(plain)}
        trained = np.array([pair in there for pair in zip(events.user_rows, events.item_rows, strict=True)])
    now = events.timestamps[trained].max()
    expected = np.zeros((N_USERS, N_ITEMS))
    shares = 2.0 ** (-(now - events.timestamps[trained]) / DAY / 300.0)
    np.add.at(expected, (events.user_rows[trained], events.item_rows[trained]), events.weights[trained] * shares)
    np.testing.assert_allclose(faded.toarray(), expected[users][:, items], rtol=1e-5)
