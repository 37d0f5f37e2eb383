"""What a matrix of interactions looks like, in a few numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pipeline.errors import DataError
from pipeline.factors.weighting import column_degrees, row_degrees

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

#: The shares at which quantiles are taken.
QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)

#: Stored weights looked at in one go, for memory's sake.
_BLOCK = 1 << 20
#: Of more weights than this, the quantiles are those of an evenly spread sample of as many.
_SAMPLE = 1 << 20


@dataclass(frozen=True)
class MatrixStatistics:
    """Size, density and spread of a matrix of users and items.

    Users and items without interactions count for nothing here: a training part has them, and they say nothing.

    Attributes
    ----------
    users, items
        Users and items that have interactions.
    pairs
        Stored pairs of a user and an item.
    density
        ``pairs / (users * items)``.
    mean_activity, mean_popularity
        Mean number of items of a user, and of users of an item.
    activity_quantiles, popularity_quantiles
        Of these numbers, at the shares :data:`QUANTILES`.
    share_of_ones
        Share of the pairs whose weight is 1; 1.0 where there are no weights.
    mean_weight, weight_variation
        Mean of the weights, and their coefficient of variation: standard deviation by mean, 0 where all are equal.
    weight_quantiles
        Of the weights, at the shares :data:`QUANTILES`.
    """

    users: int
    items: int
    pairs: int
    density: float
    mean_activity: float
    mean_popularity: float
    activity_quantiles: tuple[float, ...]
    popularity_quantiles: tuple[float, ...]
    share_of_ones: float
    mean_weight: float
    weight_variation: float
    weight_quantiles: tuple[float, ...]

    @classmethod
    def of(cls, user_items: csr_matrix) -> Self:
        """Look at a matrix; beside its degrees, in memory that does not grow with it.

        Parameters
        ----------
        user_items
            Summed weights above zero, CSR, shape ``(n_users, n_items)``; may be memory-mapped.

        Raises
        ------
        DataError
            If there is no interaction.
        """
        if user_items.nnz == 0:
            raise DataError(f"no interactions to choose settings from: the matrix {user_items.shape} is empty")
        activity, popularity = (
            degrees[degrees > 0] for degrees in (row_degrees(user_items), column_degrees(user_items))
        )
        ones, mean, variation = _moments(user_items.data)
        pairs = int(user_items.nnz)
        return cls(
            users=len(activity),
            items=len(popularity),
            pairs=pairs,
            density=pairs / (len(activity) * len(popularity)),
            mean_activity=pairs / len(activity),
            mean_popularity=pairs / len(popularity),
            activity_quantiles=_quantiles(activity),
            popularity_quantiles=_quantiles(popularity),
            share_of_ones=ones,
            mean_weight=mean,
            weight_variation=variation,
            weight_quantiles=_quantiles(user_items.data),
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` gave."""
        content: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        return cls(**content)


def _moments(weights: NDArray[Any]) -> tuple[float, float, float]:
    """Share of ones, mean, and coefficient of variation."""
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(weights), _BLOCK)]
    ones = sum(int(np.count_nonzero(weights[block] == 1)) for block in blocks)
    mean = sum(float(weights[block].sum(dtype=np.float64)) for block in blocks) / len(weights)
    # Of shares of the mean, whose squares stay within float64 where those of the weights need not.
    squares = sum(float(np.square(weights[block] / mean - 1.0, dtype=np.float64).sum()) for block in blocks)
    return ones / len(weights), mean, float(np.sqrt(squares / len(weights)))


def _quantiles(values: NDArray[Any]) -> tuple[float, ...]:
    if len(values) > _SAMPLE:
        values = values[np.linspace(0, len(values) - 1, _SAMPLE).astype(np.int64)]
    return tuple(np.quantile(values.astype(np.float64), QUANTILES).tolist())
