"""How much of a mean over users is chance: bootstrap intervals, and a paired test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Share of the resamples within an interval.
CONFIDENCE = 0.95
#: Resamples of a bootstrap.
RESAMPLES = 1000
#: Assignments of signs that a test tries.
PERMUTATIONS = 10_000
#: More users than this are dealt at random into so many groups of equal size, which are drawn in the users' place.
MAX_GROUPS = 4096

_DRAWS_AT_ONCE = 100


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, and what chance makes of it.

    Attributes
    ----------
    mean
        Mean over users.
    low, high
        Bootstrap interval of the mean, see :func:`intervals`.
    p_value
        Share of the assignments of random signs to the users whose mean is at least as far from zero (Smucker et al.,
        CIKM 2007), the observed one counted among them; so it is never below 1 / (:data:`PERMUTATIONS` + 1).
    """

    mean: float
    low: float
    high: float
    p_value: float


def intervals(values: Mapping[str, NDArray[np.floating]], *, seed: int) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of means over users (Efron & Tibshirani 1993, chapter 13).

    Users are drawn with replacement, as many as there are, :data:`RESAMPLES` times; of the means of the draws the
    central :data:`CONFIDENCE` is the interval. Time is linear in the users, whose groups (:data:`MAX_GROUPS`) are
    themselves independent draws.

    Parameters
    ----------
    values
        A value of each user for each measure, all of shape ``(n_users,)``, with at least one user.
    seed
        Of the draws.

    Returns
    -------
    Lower and upper end for each measure.
    """
    rng = np.random.default_rng(seed)
    sums, sizes = _groups(values, rng)
    n = len(sizes)
    means = np.empty((RESAMPLES, sums.shape[1]))
    for start in range(0, RESAMPLES, _DRAWS_AT_ONCE):
        count = min(_DRAWS_AT_ONCE, RESAMPLES - start)
        drawn = rng.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n).astype(np.float64)
        means[start : start + count] = (weights @ sums) / (weights @ sizes)[:, None]
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(values)}


def paired_differences(
    first: Mapping[str, NDArray[np.floating]], second: Mapping[str, NDArray[np.floating]], *, seed: int
) -> dict[str, Difference]:
    """Differences of measures of the same users, second less first.

    Parameters
    ----------
    first, second
        A value of each user for each measure; the same measures, and the users in the same order.
    seed
        Of the draws.
    """
    differences = {name: np.subtract(second[name], first[name], dtype=np.float64) for name in first}
    rng = np.random.default_rng(seed)
    sums, _ = _groups(differences, rng)
    observed = np.abs(sums.sum(axis=0))
    as_far = np.ones(len(observed))
    for start in range(0, PERMUTATIONS, _DRAWS_AT_ONCE):
        count = min(_DRAWS_AT_ONCE, PERMUTATIONS - start)
        signs = 2.0 * rng.integers(2, size=(count, len(sums))) - 1.0
        # Sums in another order differ in the last bits, and a tie is as far.
        as_far += (np.abs(signs @ sums) >= observed * (1.0 - 1e-9)).sum(axis=0)
    ends = intervals(differences, seed=seed)
    return {
        name: Difference(float(values.mean()), *ends[name], float(as_far[i] / (PERMUTATIONS + 1)))
        for i, (name, values) in enumerate(differences.items())
    }


def _groups(
    values: Mapping[str, NDArray[np.floating]], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of each measure in each group of users, shape ``(n_groups, n_measures)``, and the groups' sizes."""
    columns = [np.asarray(column, dtype=np.float64) for column in values.values()]
    n_users = len(columns[0])
    n_groups = min(n_users, MAX_GROUPS)
    group = rng.permutation(n_users) % n_groups
    sums = np.empty((n_groups, len(columns)))
    for i, column in enumerate(columns):
        sums[:, i] = np.bincount(group, column, minlength=n_groups)
    return sums, np.bincount(group, minlength=n_groups).astype(np.float64)
