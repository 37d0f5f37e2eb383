"""HDF5 as ann-benchmarks writes it, and datasets that are not vectors."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from annlib.vectors import VectorFileError, open_vectors


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        file["train"], file["test"] = np.eye(5), np.eye(5)[:2]
        file["words"], file["flat"] = np.array([[b"a"]]), np.ones(3)
        file["nan"] = np.array([[1.0], [np.nan]])
        file.create_dataset("packed", data=np.eye(50), chunks=(7, 9), compression="gzip")
        file.create_dataset("unwritten", shape=(10**9, 3), dtype="f4", chunks=(100, 3))
        file.create_dataset("unallocated", shape=(10**9, 3), dtype="f4")
        file.create_group("group")
        file.attrs["distance"], file.attrs["type"] = "hamming", "dense"
    return path


@pytest.mark.parametrize(("dataset", "expected"), [(None, np.eye(5)), ("test", np.eye(5)[:2]), ("packed", np.eye(50))])
def test_datasets(path, read_all, dataset, expected):
    source = open_vectors(path, dataset=dataset)
    np.testing.assert_array_equal(read_all(source)[0], expected)
    assert source.metric == "hamming"


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("absent", "expected a dataset 'absent', got .*train"),
        ("group", "expected a dataset 'group'"),
        ("words", r"expected dataset 'words' to hold real numbers of shape \(n, d\), got \|S1 of shape \(1, 1\)"),
        ("flat", r"got float64 of shape \(3,\)"),
        ("unwritten", "was not written to its end"),
        ("unallocated", "was not written to its end"),
        ("nan", "row 1: expected finite numbers, got nan"),
    ],
)
def test_datasets_that_are_refused(path, read_all, dataset, message):
    with pytest.raises(VectorFileError, match=f"x.hdf5: .*{message}|x.hdf5: {message}"):
        read_all(open_vectors(path, dataset=dataset))
