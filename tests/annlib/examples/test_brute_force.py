"""Brute force and the index give one answer."""

from __future__ import annotations

import re

import numpy as np
import pytest

from annlib import Index, exact
from annlib.examples import brute_force as example


def test_the_same_answer(capsys, tmp_path):
    example.main(["--count", "40000", "--dimensions", "20", "--queries", "7", "--folder", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("40,000 x 20: made and indexed in")
    assert re.fullmatch(r" +7 queries +brute force +[\d.]+ ms +index +[\d.]+ ms +[\d.]+ times +same .*", lines[1])
    assert re.fullmatch(r" +1 query .*", lines[2])
    assert list(tmp_path.iterdir()) == []


def test_different_answers_are_not_passed_over(monkeypatch, tmp_path):
    monkeypatch.setattr(Index, "search_rows", lambda self, queries, k: (np.zeros((len(queries), k), int), None))
    with pytest.raises(SystemExit, match="differ"):
        example.main(["--count", "100", "--dimensions", "4", "--queries", "2", "--folder", str(tmp_path)])


def test_brute_force_against_the_oracle():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(70_000, 5)).astype(np.float32)  # three blocks
    vectors[69_990:] = vectors[:10]  # ties go to the lower row
    queries = rng.normal(size=(4, 5)).astype(np.float32)
    rows, cosines = example.brute_force(vectors, example.norms_of(vectors), queries, 10)
    expected_rows, expected_cosines = exact.search(vectors, queries, 10, metric="cosine")
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(cosines, expected_cosines)


def test_blocks_are_the_same_each_time_and_as_many_as_asked_for():
    first, second = (np.concatenate(list(example.make_blocks(40_000, 3))) for _ in range(2))
    assert first.shape == (40_000, 3)
    np.testing.assert_array_equal(first, second)
