from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from pipeline.config import InteractionsSettings
from pipeline.data.split import Split
from pipeline.data.test_set import encode_test_set, held_out_settings
from pipeline.errors import DataError, MissingInputError


@pytest.fixture
def interactions(write, encoded):
    """Users 10, 20, 30 and items a, b, c; weights and times that a test set need not have."""
    rows = ["u,i,w,t", "10,a,2,2026-01-01", "10,b,1,2026-01-02", "20,b,5,2026-01-03", "30,c,1,2026-01-04"]
    settings = {"path": str(write("train.csv", "\n".join(rows) + "\n")), "user": "u", "item": "i"}
    settings |= {"weight": "w", "timestamp": "t", "window_days": 300}
    return InteractionsSettings.model_validate(settings), encoded({"interactions": settings})


@pytest.fixture
def read(interactions, date, tmp_path):
    """Encode a test set over the interactions."""
    settings, encoded = interactions

    def make(path):
        folder = tmp_path / "test-set"
        folder.mkdir()
        encode_test_set(encoded, held_out_settings(settings, str(path)), date=date, folder=folder)
        return Split.open(folder, train_folder=encoded.user_items_folder)

    return make


def test_pairs_that_are_new_are_held_out_and_the_rest_is_counted(read, interactions, write):
    rows = ["i,u", "c,10", "c,10", "a,10", "a,30", "x,10", "a,99", "y,98"]
    result = read(write("test.csv", "\n".join(rows) + "\n"))
    expected = np.zeros((3, 3))
    expected[0, 2] = expected[2, 0] = 1
    assert np.array_equal(result.test.toarray(), expected)
    assert np.array_equal(result.train.toarray(), interactions[1].user_items.toarray())
    assert result.stats == {
        "split": "test set",
        "train_pairs": 4,
        "test_rows": 7,
        "test_pairs": 2,
        "test_users": 2,
        "test_pairs_in_train": 1,
        "test_rows_of_unknown": 3,
        "unknown_users": 2,
        "unknown_items": 2,
    }


def test_another_format_and_times_after_the_run_are_read(read, write):
    table = {"u": [10, 20], "i": ["c", "a"], "t": ["2031-01-01", "never"]}
    assert read(write("test.parquet", table)).test.nnz == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["99,a"], r"test.csv: expected ids in column 'u' that the interactions have, got 1 others"),
        (["10,x", "20,y"], r"test.csv: expected ids in column 'i' that the interactions have, got 2 others"),
        (["10,x", "99,a"], r"test.csv: none of its 2 pairs is of a user and an item of the interactions"),
        (["10,a", "20,b"], r"test.csv: the test set is empty: all 2 pairs of known users and items are in the inter"),
    ],
)
def test_a_test_set_that_tests_nothing_is_a_clear_error(read, write, rows, message):
    with pytest.raises(DataError, match=message):
        read(write("test.csv", "\n".join(["u,i", *rows]) + "\n"))


def test_ids_of_another_type_are_an_error(read, write):
    with pytest.raises(DataError, match="column 'u': expected integers like the ids they are matched with"):
        read(write("test.parquet", {"u": ["10"], "i": ["c"]}))


def test_a_missing_column_is_an_error(read, write):
    with pytest.raises(MissingInputError, match="'i'"):
        read(write("test.csv", "u,item\n10,c\n"))


def test_matrices_of_scipy(encoded, date, tmp_path):
    train = sparse.csr_array(np.array([[1.0, 0, 0, 2.0], [0, 3.0, 0, 0]]))
    test = sparse.csr_array(np.array([[1.0, 1.0, 1.0, 0], [0, 0, 0, 1.0]]))
    for name, matrix in (("train", train), ("test", test)):
        sparse.save_npz(tmp_path / f"{name}.npz", matrix)
    settings = {"path": str(tmp_path / "train.npz"), "user": "row", "item": "column"}
    data, folder = encoded({"interactions": settings}), tmp_path / "test-set"
    folder.mkdir()
    held_out = held_out_settings(InteractionsSettings.model_validate(settings), str(tmp_path / "test.npz"))
    encode_test_set(data, held_out, date=date, folder=folder)
    result = Split.open(folder, train_folder=data.user_items_folder)
    # Items 0, 1 and 3 are in the training data; item 2 is not.
    assert np.array_equal(result.test.toarray(), [[0, 1, 0], [0, 0, 1]])
    assert (result.stats["test_pairs_in_train"], result.stats["unknown_items"]) == (1, 1)
