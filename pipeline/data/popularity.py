"""How well known the entities of a type are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import USER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.data.encode import Encoded


def interactions_of(encoded: Encoded, entity: str) -> NDArray[np.int64]:
    """Distinct pairs of a user and an item that each entity has a part in.

    For users the items they have, for items the users who have them, for an attribute the sum over its items.

    Parameters
    ----------
    encoded
        The interactions.
    entity
        An entity type that comes from them.

    Returns
    -------
    int64, shape ``(n,)``, rows those of the vocabulary.
    """
    user_items = encoded.user_items
    if entity == USER:
        return np.diff(user_items.indptr).astype(np.int64)
    of_items = np.bincount(user_items.indices, minlength=user_items.shape[1]).astype(np.int64)
    if entity == encoded.item_entity:
        return of_items
    of_values: NDArray[np.float64] = encoded.attribute(entity).T @ of_items.astype(np.float64)
    return of_values.astype(np.int64)
