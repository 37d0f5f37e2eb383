"""Fixtures of the examples' tests: small files like those that the examples are for, and a look at their pictures."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def _headless(monkeypatch) -> None:
    """Let no window be opened: whoever tries fails."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.delenv("DISPLAY", raising=False)


@pytest.fixture
def assert_picture() -> Callable[[Path], None]:
    """Check that a file is a PNG with something on it."""
    from matplotlib.image import imread

    def check(path: Path) -> None:
        assert path.read_bytes().startswith(b"\x89PNG")
        pixels = imread(path)
        assert min(pixels.shape[:2]) > 300
        assert pixels[..., :3].std() > 0.01

    return check


@pytest.fixture
def digits(tmp_path) -> Path:
    """Write files like MNIST's: ten patterns under noise, 300 to learn and 60 to test."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 200, size=(10, 28, 28))
    for part, count in [("train", 300), ("t10k", 60)]:
        labels = np.arange(count) % 10
        images = (patterns[labels] + rng.integers(0, 55, size=(count, 28, 28))).astype(np.uint8)
        _write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        _write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels.astype(np.uint8))
    return tmp_path


def _write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes()
    path.write_bytes(gzip.compress(header + values.tobytes(), 1))
