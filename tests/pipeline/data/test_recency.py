"""Weights that fade, against the definition, event by event."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.encode import EncodedEvents
from pipeline.data.matrices import sum_pairs
from pipeline.data.recency import sum_recent
from pipeline.errors import DataError

DAY = 86_400_000_000


def events_of(rows):
    """From rows of user, item, weight and day."""
    users, items, weights, days = (np.array(column) for column in zip(*rows, strict=True))
    return EncodedEvents(
        users.astype(np.int32), items.astype(np.int32), weights.astype(np.float32), (days * DAY).astype(np.int64)
    )


def random_events(n, seed=0):
    rng = np.random.default_rng(seed)
    return EncodedEvents(
        rng.integers(0, 9, n).astype(np.int32),
        rng.integers(0, 7, n).astype(np.int32),
        rng.integers(1, 5, n).astype(np.float32),
        rng.integers(0, 90 * DAY, n) + 20_000 * DAY,
    )


def test_an_event_loses_half_of_its_weight_in_a_half_life():
    events = events_of([(0, 0, 8.0, 70), (0, 1, 8.0, 77), (1, 1, 8.0, 84), (0, 0, 2.0, 84)])
    matrix = sum_recent(events, (2, 2), half_life_days=7.0)
    np.testing.assert_allclose(matrix.toarray(), [[8 / 4 + 2, 8 / 2], [0, 8]], rtol=1e-7)
    assert matrix.dtype == np.float32


@pytest.mark.parametrize("half_life", [1.0, 3.0, 365.0])
def test_it_is_the_definition(half_life):
    events = random_events(400)
    expected = np.zeros((9, 7))
    now = max(events.timestamps.tolist())
    rows = (events.user_rows.tolist(), events.item_rows.tolist(), events.weights.tolist(), events.timestamps.tolist())
    for user, item, weight, time in zip(*rows, strict=True):
        expected[user, item] += weight * 2.0 ** (-(now - time) / DAY / half_life)
    matrix = sum_recent(events, (9, 7), half_life)
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-6)
    plain = sum_pairs(events.user_rows, events.item_rows, events.weights, (9, 7))
    np.testing.assert_array_equal(matrix.indices, plain.indices)
    np.testing.assert_array_equal(matrix.indptr, plain.indptr)


def test_a_long_half_life_changes_nothing():
    events = random_events(400)
    plain = sum_pairs(events.user_rows, events.item_rows, events.weights, (9, 7))
    np.testing.assert_array_equal(sum_recent(events, (9, 7), 1.7e308).data, plain.data)


def test_a_single_timestamp_is_no_age():
    events = random_events(50)
    at_once = EncodedEvents(events.user_rows, events.item_rows, events.weights, np.full(50, 5 * DAY))
    plain = sum_pairs(events.user_rows, events.item_rows, events.weights, (9, 7))
    for half_life in (5e-324, 1.0):
        np.testing.assert_array_equal(sum_recent(at_once, (9, 7), half_life).data, plain.data)


def test_only_what_lies_between_matters():
    events = random_events(200)
    later = EncodedEvents(events.user_rows, events.item_rows, events.weights, events.timestamps + 1000 * DAY)
    first, second = (sum_recent(each, (9, 7), 3.0) for each in (events, later))
    np.testing.assert_allclose(first.data, second.data, rtol=1e-6)


def test_times_at_the_ends_of_int64_do_not_overflow():
    ends = np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max])
    events = EncodedEvents(np.zeros(2, np.int32), np.zeros(2, np.int32), np.ones(2, np.float32), ends)
    assert sum_recent(events, (1, 1), 1.0).data.tolist() == [1.0]


@pytest.mark.parametrize("half_life", [0.1, 5e-324])
def test_a_half_life_that_leaves_nothing_is_a_clear_error(half_life):
    events = events_of([(0, 0, 8.0, 0), (0, 1, 1.0, 30), (1, 1, 1.0, 30)])
    with pytest.raises(DataError, match=r"half_life_days = .* left of 1 of 3 pairs .* span 30\.0 days\nTake a longer"):
        sum_recent(events, (2, 2), half_life)


def test_old_events_beside_a_new_one_of_their_pair_may_vanish():
    events = events_of([(0, 0, 8.0, 0), (0, 0, 1.0, 300)])
    assert sum_recent(events, (1, 1), 1.0).data.tolist() == [1.0]


def test_sums_that_overflow_are_a_clear_error():
    events = events_of([(0, 0, 3e38, 30), (0, 0, 3e38, 30)])
    with pytest.raises(DataError, match="expected sums of weights within float32"):
        sum_recent(events, (1, 1), 1.0)
