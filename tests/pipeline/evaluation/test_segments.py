from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.evaluation.segments import ItemSegments, by_activity


def test_users_by_hand() -> None:
    activity = np.array([1, 9, 2, 2, 5, 30])
    values = {"recall@5": np.array([0.0, 1.0, 0.5, 0.1, 0.2, 0.4])}
    segments = by_activity(activity, values, np.array([1, 2, 3, 4, 5, 6]))
    shown = [(each["name"], each["users"], each["least"], each["most"], each["test_pairs"]) for each in segments]
    # A third of six users is two, and the third of them has as few items as the second.
    assert shown == [("light", 3, 1, 2, 8), ("medium", 1, 5, 5, 5), ("heavy", 2, 9, 30, 8)]
    assert [each["measures"]["recall@5"] for each in segments] == pytest.approx([0.2, 0.2, 0.7])


def test_users_who_are_all_alike_are_one_group() -> None:
    segments = by_activity(np.full(9, 4), {"recall@5": np.ones(9)}, np.ones(9, dtype=np.int64))
    assert [(each["name"], each["users"]) for each in segments] == [("light", 9)]


def test_items_by_hand() -> None:
    """Item 0 has a third of the twelve interactions, items 1 and 2 the next, five of one user the last; 8 is cold."""
    item_users = np.array([4, 2, 2, 1, 1, 1, 1, 0, 0])
    segments = ItemSegments(item_users, (1, 2))
    test = csr_matrix(np.array([[1, 1, 0, 1, 1, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0, 0, 0, 0]], dtype=np.float32))
    segments.add(np.array([[0, 3]]), test[:1])
    segments.add(np.array([[3, -1]]), test[1:])
    tail, middle, head = segments.result()
    assert [each["name"] for each in (tail, middle, head)] == ["tail", "middle", "head"]
    assert [each["items"] for each in (tail, middle, head)] == [4, 2, 1]
    assert [(each["least"], each["most"]) for each in (tail, middle, head)] == [(1, 1), (2, 2), (4, 4)]
    assert [(each["users"], each["test_pairs"]) for each in (tail, middle, head)] == [(2, 3), (2, 2), (1, 1)]
    assert tail["measures"] == pytest.approx(
        {"recall@1": (0 + 1) / 2, "recall@2": (1 / 2 + 1) / 2, "share@1": 1 / 2, "share@2": 2 / 3}
    )
    assert middle["measures"] == pytest.approx({"recall@1": 0.0, "recall@2": 0.0, "share@1": 0.0, "share@2": 0.0})
    assert head["measures"] == pytest.approx({"recall@1": 1.0, "recall@2": 1.0, "share@1": 1 / 2, "share@2": 1 / 3})


def test_padding_is_in_no_group() -> None:
    segments = ItemSegments(np.array([1, 1]), (2,))
    segments.add(np.array([[-1, -1]]), csr_matrix(np.array([[1.0, 1.0]])))
    assert all(each["measures"] == {"recall@2": 0.0, "share@2": 0.0} for each in segments.result())


def test_items_that_are_all_alike_are_one_group() -> None:
    segments = ItemSegments(np.full(6, 3), (1,))
    assert [(each["name"], each["items"]) for each in segments.result()] == [("tail", 6)]
