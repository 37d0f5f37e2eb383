"""The knob: shares that were found, beside a scan that finds all."""

from __future__ import annotations

import numpy as np
import pytest

from annlib import Index
from annlib.examples.recall_curve import RECALLS, main, measure


@pytest.fixture
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(3000, 16)) + 2 * rng.normal(size=(30, 16))[rng.integers(30, size=3000)]


def test_what_is_found(vectors):
    curve = measure(Index.build(vectors, metric="cosine"), 300)
    assert len(curve.found) == len(curve.seconds) == len(RECALLS)
    assert curve.found[-1] == curve.scan_found == 1.0
    assert all(found > recall - 0.05 for found, recall in zip(curve.found, RECALLS, strict=True))
    assert curve.found == sorted(curve.found)
    assert min(*curve.seconds, curve.scan_seconds) > 0


def test_the_picture(vectors, tmp_path, capsys, assert_picture):
    np.save(tmp_path / "x.npy", vectors.astype(np.float32))
    Index.build(vectors[:50], metric="cosine", path=tmp_path / "y.ann")
    main([str(tmp_path / "x.npy"), str(tmp_path / "y.ann"), "--queries", "100", "-o", str(tmp_path / "out.png")])
    lines = capsys.readouterr().out.splitlines()
    assert "x.npy: 3,000 x 16" in lines
    assert "y.ann: 50 x 16" in lines
    assert_picture(tmp_path / "out.png")


def test_another_metric(tmp_path):
    Index.build(np.eye(3), metric="euclidean", path=tmp_path / "x.ann")
    with pytest.raises(SystemExit, match="expected an index of metric cosine, got euclidean"):
        main([str(tmp_path / "x.ann"), "-o", str(tmp_path / "out.png")])
