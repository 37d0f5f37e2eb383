"""Tastes: what they are made of."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.serve.taste import unit


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_vectors_of_any_size_count_at_length_1(size):
    vectors = np.array([[3.0 * size, -4.0 * size], [0.0, 0.0]], dtype=np.float32)
    units = unit(vectors)
    assert units.dtype == np.float32
    np.testing.assert_allclose(units, [[0.6, -0.8], [0.0, 0.0]], rtol=1e-6)
