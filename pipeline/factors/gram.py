"""Gram matrices of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.factors.base import Vectors

_ROWS = 1 << 14


def gram(vectors: Vectors) -> NDArray[np.float64]:
    """``V'V`` in float64, shape ``(d, d)``, without a copy of V in float64."""
    total = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), _ROWS):
        block = vectors[start : start + _ROWS].astype(np.float64)
        total += block.T @ block
    return total
