"""Axes: where values go, and which are marked."""

from __future__ import annotations

import itertools
import math

import pytest

from pipeline.report.axes import Axis, linear_axis, log_axis, short


def test_values_are_placed_between_the_ends():
    linear, log = Axis(10.0, 20.0, ""), Axis(1.0, 100.0, "", log=True)
    assert [linear.place(value) for value in (10.0, 15.0, 20.0, 0.0, 99.0)] == [0.0, 0.5, 1.0, 0.0, 1.0]
    assert log.place(10.0) == pytest.approx(0.5)
    assert log.place(0.0) == 0.0


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.2, 7.9), (1e-7, 3e-7), (0.0, 8e9), (99.0, 101.0)])
def test_marks_are_few_and_round_and_within(low, high):
    marks = Axis(low, high, "").marks()
    assert 2 <= len(marks) <= 7
    steps = {round((b - a) / (high - low), 9) for (a, _), (b, _) in itertools.pairwise(marks)}
    assert len(steps) == 1
    assert all(low - 1e-9 * abs(low) <= value <= high * (1 + 1e-9) + 1e-12 for value, _ in marks)


@pytest.mark.parametrize(("low", "high"), [(1.0, 10.0), (0.6, 3e5), (1.0, 1e12)])
def test_marks_of_a_logarithmic_axis_are_powers_of_ten(low, high):
    marks = Axis(low, high, "", log=True).marks()
    assert 1 <= len(marks) <= 7
    assert all(math.log10(value) == pytest.approx(round(math.log10(value))) for value, _ in marks)


@pytest.mark.parametrize("values", [[], [5.0], [0.0, 0.0], [math.nan, math.inf], [-1.0, -1.0]])
def test_an_axis_always_has_a_length(values):
    for axis in (linear_axis(values, ""), linear_axis(values, "", from_zero=True), log_axis(values, "")):
        assert axis.low < axis.high
        assert 0.0 <= axis.place(axis.low) < axis.place(axis.high) <= 1.0
        assert axis.marks()


def test_numbers_are_short():
    written = [short(value) for value in (0.0, 0.05, 250.0, 12_000.0, 3_500_000.0, 2e9)]
    assert written == ["0", "0.05", "250", "12k", "3.5M", "2G"]
