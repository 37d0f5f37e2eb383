"""What is tried where settings are left open: two beginnings, and rounds of moves around the best so far.

A move changes two settings at once, so that a round is the four corners around where it starts; each round of a pair
of settings has about half the step of the one before. Made by ``tests/benchmarks/als_defaults.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.factors.search_space import Iterations

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline.factors.statistics import MatrixStatistics

ALPHA: Final = "factorize.alpha"
REGULARIZATION: Final = "factorize.regularization"
ITERATIONS: Final = "factorize.iterations"
USER_POWER: Final = "weighting.user_degree_power"
ITEM_POWER: Final = "weighting.item_degree_power"

#: Values of settings by names such as ``"factorize.alpha"``.
Values = dict[str, float]

#: How long a fit may go on where its passes are left open, and after which of them it is measured.
PASSES: Final = Iterations(4, 16, 4)
#: What the vectors of a fit can still be told from noise within.
_LIMITS: Final = {ALPHA: (0.1, 1e3), REGULARIZATION: (1e-3, 1e4), USER_POWER: (0.0, 1.0), ITEM_POWER: (0.0, 1.0)}


@dataclass(frozen=True)
class Start:
    """Settings of ALS that are as good on all data as one choice can be.

    Attributes
    ----------
    alpha
        As the setting.
    regularization
        As a share of :func:`full_regularization` at that alpha.
    user_degree_power, item_degree_power
        As the settings.
    """

    alpha: float
    regularization: float
    user_degree_power: float
    item_degree_power: float

    def values(self, statistics: MatrixStatistics, alpha: float | None = None) -> Values:
        """The settings, for a matrix; for another alpha, where one is given."""
        alpha = self.alpha if alpha is None else alpha
        return {
            ALPHA: _rounded(alpha),
            REGULARIZATION: _rounded(self.regularization * full_regularization(alpha, statistics)),
            USER_POWER: self.user_degree_power,
            ITEM_POWER: self.item_degree_power,
        }


@dataclass(frozen=True)
class Move:
    """A step from some settings to others: factors for those above, terms for the powers.

    The regularization goes along with alpha: what it works against is ``1 + alpha`` times the matrix.
    """

    alpha: float = 1.0
    regularization: float = 1.0
    user_degree_power: float = 0.0
    item_degree_power: float = 0.0

    def of(self, values: Mapping[str, float], left_open: Collection[str]) -> Values:
        """Where it leads from some values; what is not left open stays."""
        alpha = values[ALPHA] * (self.alpha if ALPHA in left_open else 1.0)
        moved = {
            ALPHA: alpha,
            REGULARIZATION: values[REGULARIZATION] * self.regularization * (1.0 + alpha) / (1.0 + values[ALPHA]),
            USER_POWER: values[USER_POWER] + self.user_degree_power,
            ITEM_POWER: values[ITEM_POWER] + self.item_degree_power,
        }
        return dict(values) | {name: _within(name, value) for name, value in moved.items() if name in left_open}


START: Final = Start(alpha=15.0, regularization=0.3, user_degree_power=0.35, item_degree_power=0.35)


def _strengths(step: float) -> tuple[Move, ...]:
    return tuple(Move(alpha=alpha, regularization=share) for alpha in (1 / step, step) for share in (1 / step, step))


def _powers(of_users: float, of_items: float) -> tuple[Move, ...]:
    return tuple(
        Move(user_degree_power=user, item_degree_power=item)
        for user in (-of_users, of_users)
        for item in (-of_items, of_items)
    )


ROUNDS: Final[Sequence[tuple[Move, ...]]] = (
    _strengths(4.0),
    _powers(0.3, 0.2),
    _strengths(2.0),
    _powers(0.15, 0.1),
    _strengths(1.4),
)


def full_regularization(alpha: float, statistics: MatrixStatistics) -> float:
    """About where the vectors of ALS shrink to nothing.

    ``1 + alpha`` times the singular value that the matrix has if pairs are spread evenly, sqrt(mean activity x mean
    popularity); less of it where items are popular, as was found.
    """
    spread = math.sqrt(statistics.mean_activity * statistics.mean_popularity)
    return (1.0 + alpha) * spread / math.pow(statistics.mean_popularity, 0.4)


def _within(name: str, value: float) -> float:
    low, high = _LIMITS[name]
    return _rounded(min(max(value, low), high))


def _rounded(value: float) -> float:
    """To three digits: more would say nothing."""
    return float(f"{value:.3g}")
