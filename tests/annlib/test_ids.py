"""Ids to rows and back, a few of many."""

from __future__ import annotations

import numpy as np
import pytest

from annlib import Index


def test_strings(words):
    assert words.find_rows(["w07", "absent", "w00"]).tolist() == [7, -1, 0]
    assert words.ids_of([3, 0, 3]).tolist() == ["w03", "w00", "w03"]
    assert words.find_rows([]).shape == words.ids_of([]).shape == (0,)


@pytest.mark.parametrize("ids", [None, [30, 10, 20]])
def test_integers(ids):
    index = Index.build(np.eye(3), metric="cosine", ids=ids)
    last = index.ids[2]
    assert index.find_rows([last, 99]).tolist() == [2, -1]
    assert index.ids_of([2]).tolist() == [last]


def test_what_is_neither_an_id_nor_a_row(words):
    with pytest.raises(TypeError, match="the ids of this index are strings, got integers"):
        words.find_rows([7])
    with pytest.raises(IndexError, match=r"rows: expected 0 to 19, got -1 at position 0"):
        words.ids_of([-1])
