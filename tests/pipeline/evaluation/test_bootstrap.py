from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation import bootstrap
from pipeline.evaluation.bootstrap import intervals, paired_differences


def test_an_interval_is_that_of_the_normal_approximation() -> None:
    """Of many users with light tails: the mean -+ 1.96 standard errors, within the bootstrap's own noise."""
    values = np.random.default_rng(0).random(3000)
    low, high = intervals({"x": values}, seed=1)["x"]
    error = values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)


def test_groups_stand_for_their_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dealt into groups of unequal size, the interval is about as wide."""
    values = {"x": (np.random.default_rng(2).random(20_011) < 0.1).astype(np.float32)}
    (low, high) = intervals(values, seed=3)["x"]
    monkeypatch.setattr(bootstrap, "MAX_GROUPS", 300)
    (coarse_low, coarse_high) = intervals(values, seed=3)["x"]
    assert coarse_high - coarse_low == pytest.approx(high - low, rel=0.25)
    assert coarse_low < values["x"].mean() < coarse_high


def test_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for seed in range(200):
        low, high = intervals({"x": rng.exponential(size=150)}, seed=seed)["x"]
        covered += low <= 1.0 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval_and_measures_do_not_mix() -> None:
    rng = np.random.default_rng(5)
    values = {"x": rng.random(50), "y": rng.random(50) + 10.0}
    both = intervals(values, seed=6)
    assert both == intervals(values, seed=6)
    assert both != intervals(values, seed=7)
    assert both["y"][0] > 10.0
    assert both["x"] == pytest.approx(intervals({"x": values["x"]}, seed=6)["x"])


def test_one_user_and_equal_users_leave_nothing_to_chance() -> None:
    assert intervals({"x": np.array([0.25])}, seed=0)["x"] == (0.25, 0.25)
    assert intervals({"x": np.full(20, 0.5)}, seed=0)["x"] == (0.5, 0.5)


def test_a_difference_of_pairs_is_seen_where_means_hide_it() -> None:
    """Users differ by far more than the two runs do."""
    rng = np.random.default_rng(8)
    first = rng.random(500)
    difference = paired_differences({"x": first}, {"x": first + 0.01 + 0.01 * rng.normal(size=500)}, seed=9)["x"]
    assert difference.mean == pytest.approx(0.01, abs=0.002)
    assert 0.0 < difference.low < difference.mean < difference.high
    assert difference.p_value == pytest.approx(1 / (bootstrap.PERMUTATIONS + 1))


def test_no_difference_has_a_p_value_of_one() -> None:
    values = {"x": np.random.default_rng(1).random(40)}
    difference = paired_differences(values, values, seed=0)["x"]
    assert (difference.mean, difference.low, difference.high, difference.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_p_values_are_uniform_where_there_is_no_difference() -> None:
    rng = np.random.default_rng(10)
    p_values = [
        paired_differences({"x": rng.random(60)}, {"x": rng.random(60)}, seed=seed)["x"].p_value for seed in range(200)
    ]
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.1
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("shift", [0.4, -0.4])
def test_matches_the_exact_test_of_few_users(shift: float) -> None:
    """All 2^8 assignments of signs."""
    values = np.random.default_rng(11).normal(size=8) + shift
    signs = 1 - 2 * ((np.arange(256)[:, None] >> np.arange(8)) & 1)
    exact = np.mean(np.abs(signs @ values) >= abs(values.sum()) - 1e-12)
    estimated = paired_differences({"x": np.zeros(8)}, {"x": values}, seed=12)["x"].p_value
    assert estimated == pytest.approx(exact, abs=0.02)
