"""Why something is recommended: what each item of a history adds to the score.

The score that is explained is the fold-in's: the target's vector times the user vector that the model fits to the
history, the item vectors held fixed. Tables and look-ups score by the user vector of the fit (before the rules of a
table), whose last half-step may have been an approximate one, against item vectors that moved after it; the two are
close, and an explanation shows both. Under the spectral model they are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from pipeline.data.vocabulary import Vocabulary
    from pipeline.factors.base import Vectors
    from pipeline.fold_in import FoldIn


@dataclass(frozen=True)
class Contribution:
    """One entity of a history: its summed weight, and its share of the score, which may be negative."""

    id: int | str
    name: str
    weight: float
    share: float


@dataclass(frozen=True)
class Explanation:
    """Why an entity gets its score.

    Attributes
    ----------
    id, name
        The entity that is scored.
    score
        The score by the user vector of the fit, as look-ups have it, and tables before their rules; None for a fresh
        history.
    fold_in_score
        The score by the user vector folded in from the history: the sum of the shares.
    history_of
        The entity type of the history.
    contributions
        The whole history, the largest share first.
    """

    id: int | str
    name: str
    score: float | None
    fold_in_score: float
    history_of: str
    contributions: tuple[Contribution, ...]


def contributions(
    fold_in: FoldIn, history: csr_matrix, target: Vectors, *, vocabulary: Vocabulary, of: str | None = None
) -> tuple[Contribution, ...]:
    """Split the fold-in score of a target over a history.

    Parameters
    ----------
    fold_in
        The model of the run.
    history
        Summed weights of one user, shape ``(1, n_entities)``.
    target
        The vector that is scored, float32, shape ``(d,)``.
    vocabulary
        Ids and names of the history's entity type.
    of
        The history's entity type; the items by default.

    Returns
    -------
    The largest share first, equal ones by row.

    Raises
    ------
    DataError
        If the history is empty.
    ConfigError
        If the model cannot explain.
    """
    if history.nnz == 0:
        raise DataError("nothing to explain: the history is empty")
    shares = fold_in.model.factorizer.contributions(fold_in.confidences(history, of), fold_in.factors(of), target)
    rows, weights = history.indices, history.data
    return tuple(
        Contribution(
            vocabulary.id(rows[entry]), vocabulary.name(rows[entry]), float(weights[entry]), float(shares[entry])
        )
        for entry in np.argsort(-shares, kind="stable").tolist()
    )
