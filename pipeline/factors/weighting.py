"""Weights of interactions turned into the confidences that models are fitted on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator
from scipy.sparse import csr_matrix

from pipeline.errors import DataError
from pipeline.factors.automatic import Auto, AutomaticSettings
from pipeline.factors.bm25 import bm25

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WeightingSettings(AutomaticSettings):
    """The section ``[weighting]``: what confidence an interaction gets from its weight."""

    #: What becomes of a summed weight w. ``binary``: 1; where counts say nothing about how much somebody likes
    #: something. ``log1p``: log(1 + w), so that a hundred plays count for more than one, and not a hundred times.
    #: ``raw``: w; where weights are confidences already. ``bm25``: Okapi BM25, by which weights approach a limit
    #: (``bm25_k1``), those of users with long histories count for less (``bm25_b``), and rare items for more.
    confidence: Auto[Literal["binary", "log1p", "raw", "bm25"]] = "log1p"
    #: Confidences are divided by (number of items of the user) ** user_degree_power, so that users of thousands of
    #: items do not decide alone what the vectors are; 0 leaves them as they are.
    user_degree_power: Auto[float] = Field(default=0.5, ge=0.0, le=1.0)
    #: Confidences are divided by (number of users of the item) ** item_degree_power, so that popular items do not
    #: decide either; then all are scaled to a mean of 1.
    item_degree_power: Auto[float] = Field(default=0.5, ge=0.0, le=1.0)
    #: Under ``bm25``: the higher, the longer a higher weight goes on counting for more.
    bm25_k1: float = Field(default=100.0, gt=0.0, allow_inf_nan=False)
    #: Under ``bm25``: how much the weights of users with long histories are discounted, from 0, not at all, to 1.
    bm25_b: float = Field(default=0.8, ge=0.0, le=1.0)
    #: Days after which an event counts for half: its weight is halved by every so many days of its age, before those of
    #: a user and an item are summed. Counted back from the last event that is fitted, so that a training part never
    #: knows of a later one; a history given to a look-up is of now, and weighs in full. For tastes and catalogues that
    #: change; needs ``interactions.timestamp``, and another confidence than ``binary``, which no weight changes.
    half_life_days: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_half_life(self) -> Self:
        if self.half_life_days is not None and self.confidence == "binary":
            raise ValueError("half_life_days changes weights, and confidence = 'binary' ignores them: take another")
        return self


def weigh(user_items: csr_matrix, settings: WeightingSettings) -> csr_matrix:
    """Confidences of a whole matrix; :meth:`Weighting.transform` after :meth:`Weighting.fit`."""
    return Weighting.fit(user_items, settings).transform(user_items)


@dataclass(frozen=True, eq=False)
class Weighting:
    """Confidences ``f(w_ui) / (n_u ** a * n_i ** b) / scale`` of a user-item matrix and of what is folded into it.

    ``n_u`` is the number of items of user u and ``n_i`` the number of users of item i in the matrix of the fit, where
    ``scale`` makes the mean confidence 1. New columns (attributes of items) and new rows (other users) bring their own
    degrees, and share the other side's degrees and the scale: an attribute that has exactly the interactions of one
    item gets exactly that item's confidences. BM25's f sees the degrees too, and the sums of users' weights: a new user
    brings a sum of their own, which is compared with the mean of the fit.

    Damping by degrees makes the fit behave like one of the degree-normalized matrix ``D_u^-1/2 R D_i^-1/2``, the
    operator that graph models such as LightGCN propagate by (He et al., SIGIR 2020).

    Attributes
    ----------
    settings
        The transform f and the powers a and b.
    user_degrees
        int64, shape ``(n_users,)``.
    item_degrees
        int64, shape ``(n_items,)``.
    scale
        What confidences are divided by for a mean of 1.
    user_lengths
        float64, shape ``(n_users,)``: sums of the weights of each user; None where the confidences are not BM25's.
    """

    settings: WeightingSettings
    user_degrees: NDArray[np.int64]
    item_degrees: NDArray[np.int64]
    scale: float
    user_lengths: NDArray[np.float64] | None = None

    @classmethod
    def fit(cls, user_items: csr_matrix, settings: WeightingSettings) -> Self:
        """Count the degrees and the scale of a matrix.

        Parameters
        ----------
        user_items
            Summed weights above zero, shape ``(n_users, n_items)``; not modified.

        Raises
        ------
        DataError
            If there is no interaction, a weight is not a finite number above zero, or the mean overflows.
        """
        if user_items.nnz == 0:
            raise DataError(f"no interactions to weigh: the matrix of {user_items.shape[0]} users is empty")
        lengths = row_sums(user_items) if settings.confidence == "bm25" else None
        unscaled = cls(settings, row_degrees(user_items), column_degrees(user_items), 1.0, lengths)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            scale = float(unscaled._values(user_items, unscaled.item_degrees, new_users=False).mean())
        if not (np.isfinite(scale) and scale > 0.0):
            raise _out_of_range(settings, f"their mean is {scale}")
        return replace(unscaled, scale=scale)

    def transform(self, user_items: csr_matrix) -> csr_matrix:
        """Confidences of the matrix of the fit: float32, mean 1, sharing no memory with it.

        Raises
        ------
        DataError
            If a confidence leaves the range of float32.
        """
        self._check_shape(user_items, rows=len(self.user_degrees), columns=len(self.item_degrees))
        return self._weighted(user_items, self.item_degrees)

    def transform_items(self, user_items: csr_matrix) -> csr_matrix:
        """Confidences of other columns, such as attributes of the items: shape ``(n_users, m)`` as given."""
        self._check_shape(user_items, rows=len(self.user_degrees), columns=None)
        return self._weighted(user_items, column_degrees(user_items))

    def transform_users(self, user_items: csr_matrix) -> csr_matrix:
        """Confidences of other rows, such as new users: shape ``(m, n_items)`` as given."""
        self._check_shape(user_items, rows=None, columns=len(self.item_degrees))
        return self._weighted(user_items, self.item_degrees, new_users=True)

    def _check_shape(self, user_items: csr_matrix, *, rows: int | None, columns: int | None) -> None:
        for axis, (name, expected) in enumerate((("users", rows), ("items", columns))):
            if expected is not None and user_items.shape[axis] != expected:
                raise ValueError(f"user_items: expected {expected} {name}, got {user_items.shape[axis]}")

    def _weighted(
        self, user_items: csr_matrix, item_degrees: NDArray[np.int64], *, new_users: bool = False
    ) -> csr_matrix:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            values = (self._values(user_items, item_degrees, new_users=new_users) / self.scale).astype(np.float32)
        if values.size and not (np.isfinite(values).all() and values.min() > 0.0):
            raise _out_of_range(self.settings, f"they range from {values.min()} to {values.max()}")
        # Copies: the input may be mapped read-only, which compiled code refuses.
        structure = (values, user_items.indices.copy(), user_items.indptr.copy())
        return csr_matrix(structure, shape=user_items.shape)

    def _values(
        self, user_items: csr_matrix, item_degrees: NDArray[np.int64], *, new_users: bool
    ) -> NDArray[np.float64]:
        """Confidences of the stored entries, float64, before the scale; new users have a length of their own."""
        _check_weights(user_items.data)
        if self.user_lengths is None:
            values = _confidence(user_items.data, self.settings)
        else:
            values = bm25(
                user_items,
                lengths=row_sums(user_items) if new_users else self.user_lengths,
                average_length=float(self.user_lengths.mean()),
                item_degrees=item_degrees,
                n_users=len(self.user_lengths),
                k1=self.settings.bm25_k1,
                b=self.settings.bm25_b,
            )
        if self.settings.user_degree_power > 0.0:
            user_degrees = row_degrees(user_items) if new_users else self.user_degrees
            damping = _damping(user_degrees, self.settings.user_degree_power)
            values *= np.repeat(damping, np.diff(user_items.indptr))
        if self.settings.item_degree_power > 0.0:
            values *= _damping(item_degrees, self.settings.item_degree_power)[user_items.indices]
        return values


def row_degrees(matrix: csr_matrix) -> NDArray[np.int64]:
    """Stored entries of each row."""
    return np.diff(matrix.indptr).astype(np.int64)


def column_degrees(matrix: csr_matrix) -> NDArray[np.int64]:
    """Stored entries of each column."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.int64)


def row_sums(matrix: csr_matrix) -> NDArray[np.float64]:
    """Sum of the stored values of each row."""
    sums: NDArray[np.float64] = matrix @ np.ones(matrix.shape[1])
    return sums


def _check_weights(weights: NDArray[Any]) -> None:
    if weights.size and not (weights.min() > 0.0 and np.isfinite(weights).all()):
        raise DataError(
            f"weights of interactions: expected finite numbers above zero, got {weights.min()} to {weights.max()}"
        )


def _confidence(weights: NDArray[Any], settings: WeightingSettings) -> NDArray[np.float64]:
    values = weights.astype(np.float64)
    if settings.confidence == "binary":
        values.fill(1.0)
    elif settings.confidence == "log1p":
        np.log1p(values, out=values)
    return values


def _damping(degrees: NDArray[np.int64], power: float) -> NDArray[np.float64]:
    # A row or column nobody has interacted with has no entries to damp; counting 1 keeps it finite.
    damping: NDArray[np.float64] = np.maximum(degrees, 1).astype(np.float64) ** -power
    return damping


def _out_of_range(settings: WeightingSettings, what: str) -> DataError:
    return DataError(
        f"confidences of the weighting {settings.confidence!r} leave the range of float32: {what}",
        hint="Set weighting.confidence to 'log1p' or 'binary', or filter out absurd weights with interactions.where.",
    )
