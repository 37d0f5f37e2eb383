from __future__ import annotations

import mmap

import numpy as np
import pytest

from pipeline.data.matrices import binary_pairs, open_array, open_csr, save_array, save_csr, sum_pairs
from pipeline.errors import DataError


def sum_pairs_slowly(rows, columns, weights, shape):
    """The readable twin: one pair after another, in float64."""
    sums = np.zeros(shape)
    for row, column, weight in zip(rows, columns, weights, strict=True):
        sums[row, column] += weight
    return sums.astype(np.float32)


@pytest.fixture
def pairs():
    random = np.random.default_rng(1)
    rows, columns = random.integers(0, 30, 2000).astype(np.int32), random.integers(0, 50, 2000).astype(np.int32)
    return rows, columns, random.lognormal(size=2000).astype(np.float32)


def test_sums_agree_with_the_slow_twin(pairs):
    rows, columns, weights = pairs
    matrix = sum_pairs(rows, columns, weights, (31, 52))
    assert np.array_equal(matrix.toarray(), sum_pairs_slowly(rows, columns, weights, (31, 52)))
    assert (matrix.data.dtype, matrix.indices.dtype, matrix.indptr.dtype) == (np.float32, np.int32, np.int32)
    for row in range(31):
        indices = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
        assert np.all(np.diff(indices) > 0)


def test_without_weights_pairs_are_counted(pairs):
    rows, columns, _ = pairs
    expected = sum_pairs_slowly(rows, columns, np.ones(2000), (30, 50))
    assert np.array_equal(sum_pairs(rows, columns, None, (30, 50)).toarray(), expected)
    assert np.array_equal(binary_pairs(rows, columns, (30, 50)).toarray(), expected > 0)


def test_sums_are_made_in_float64():
    weights = np.array([2**24, 1, 1], np.float32)  # in float32, 2**24 + 1 is 2**24
    zeros = np.zeros(3, np.int32)
    assert sum_pairs(zeros, zeros, weights, (1, 1)).data.tolist() == [2**24 + 2]


def test_a_sum_beyond_float32_is_refused():
    zeros = np.zeros(2, np.int32)
    with pytest.raises(DataError, match="expected sums of weights within float32, got 6"):
        sum_pairs(zeros, zeros, np.array([3e38, 3e38], np.float32), (1, 1))


def test_nothing_at_all():
    empty = np.empty(0, np.int32)
    assert sum_pairs(empty, empty, None, (3, 4)).nnz == 0


def test_a_matrix_is_mapped_and_never_changed_on_disk(pairs, tmp_path):
    rows, columns, weights = pairs
    matrix = sum_pairs(rows, columns, weights, (30, 50))
    save_csr(tmp_path / "m", matrix)
    before = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    opened = open_csr(tmp_path / "m")
    assert opened.shape == (30, 50)
    assert (opened != matrix).nnz == 0
    for name in ("data", "indices", "indptr"):
        array = getattr(opened, name)
        assert array.flags.writeable
        while isinstance(array, np.ndarray):
            array = array.base
        assert isinstance(array, mmap.mmap), name
    opened.data[:] = 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before


def test_an_empty_matrix_can_be_opened(tmp_path):
    empty = np.empty(0, np.int32)
    save_csr(tmp_path / "m", sum_pairs(empty, empty, None, (3, 4)))
    assert open_csr(tmp_path / "m").toarray().tolist() == np.zeros((3, 4)).tolist()


def test_nothing_is_overwritten(tmp_path):
    save_array(tmp_path / "a.npy", np.arange(3))
    with pytest.raises(FileExistsError):
        save_array(tmp_path / "a.npy", np.arange(4))
    assert open_array(tmp_path / "a.npy").tolist() == [0, 1, 2]
