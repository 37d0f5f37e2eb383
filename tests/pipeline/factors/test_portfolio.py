"""The moves around a choice of settings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.factors.portfolio import (
    ALPHA,
    ITEM_POWER,
    REGULARIZATION,
    ROUNDS,
    START,
    USER_POWER,
    Move,
)
from pipeline.factors.statistics import MatrixStatistics

VALUES = {ALPHA: 9.0, REGULARIZATION: 20.0, USER_POWER: 0.3, ITEM_POWER: 0.9}


def test_the_regularization_goes_along_with_alpha() -> None:
    moved = Move(alpha=2.0, regularization=3.0).of(VALUES, VALUES)
    assert moved == VALUES | {ALPHA: 18.0, REGULARIZATION: pytest.approx(20.0 * 3.0 * 19.0 / 10.0)}


def test_what_is_given_stays() -> None:
    assert Move(alpha=2.0, regularization=3.0).of(VALUES, {REGULARIZATION}) == VALUES | {REGULARIZATION: 60.0}
    assert Move(alpha=2.0).of(VALUES, {ALPHA, USER_POWER}) == VALUES | {ALPHA: 18.0}
    assert Move(2.0, 2.0, 0.1, 0.1).of(VALUES, set()) == VALUES


def test_the_start_goes_along_with_a_given_alpha() -> None:
    statistics = MatrixStatistics.of(csr_matrix(np.eye(30, dtype=np.float32)))
    start, given = START.values(statistics), START.values(statistics, alpha=200.0)
    assert given[ALPHA] == 200.0
    assert given[REGULARIZATION] / start[REGULARIZATION] == pytest.approx(201.0 / (1.0 + start[ALPHA]), rel=0.02)


def test_no_move_leaves_the_limits() -> None:
    moved = Move(alpha=1e9, user_degree_power=-0.5, item_degree_power=0.5).of(VALUES, VALUES)
    assert (moved[ALPHA], moved[USER_POWER], moved[ITEM_POWER]) == (1e3, 0.0, 1.0)


def test_a_round_is_four_corners() -> None:
    for moves in ROUNDS:
        assert len({tuple(move.of(VALUES, VALUES).values()) for move in moves}) == 4
