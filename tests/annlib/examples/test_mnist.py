"""Digits by pixels, and by an embedding of them."""

from __future__ import annotations

import numpy as np
import pytest

from annlib import Index
from annlib.examples import mnist, pictures


def test_digits(digits, capsys, assert_picture):
    mnist.main([str(digits), "-o", str(digits / "out.png")])
    assert "digits told right by their 10 nearest of 300: 100.00% of 60" in capsys.readouterr().out
    assert_picture(digits / "out.png")


def test_pictures_by_embedding(digits, capsys, assert_picture):
    pictures.main([str(digits), "--dimensions", "12", "-o", str(digits / "out.png")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["pixels", "784", "d", "100.00%"]
    assert lines[1].split()[:4] == ["embedding", "12", "d", "100.00%"]
    assert_picture(digits / "out.png")


def test_what_is_read(digits):
    train = mnist.load(digits, "train")
    assert train.images.shape == (300, 784)
    assert train.images.min() >= 0
    assert 0.9 < train.images.max() <= 1
    assert train.labels[:12].tolist() == [*range(10), 0, 1]


def test_images_and_labels_that_do_not_fit(digits):
    (digits / "train-labels-idx1-ubyte.gz").write_bytes((digits / "t10k-labels-idx1-ubyte.gz").read_bytes())
    with pytest.raises(ValueError, match="expected a label for each of 300 images, got 60"):
        mnist.load(digits, "train")


def test_the_vote():
    vectors = np.arange(20, dtype=np.float32)[:, np.newaxis]
    labels = np.repeat([7, 3], 10).astype(np.uint8)
    index = Index.build(vectors, metric="euclidean")
    queries = np.array([[-1.0], [30.0], [9.5], [8.0]], dtype=np.float32)  # the third meets five of each: the smaller
    assert mnist.accuracy(index, labels, queries, np.array([7, 3, 3, 7], dtype=np.uint8)) == 1.0
    assert mnist.accuracy(index, labels, queries, np.array([7, 3, 7, 3], dtype=np.uint8)) == 0.5


def test_real_digits(data_dir):
    folder = data_dir / "mnist"
    train, tests = mnist.load(folder, "train"), mnist.load(folder, "t10k")
    index = Index.build(train.images, metric="euclidean")
    share = mnist.accuracy(index, train.labels, tests.images[:2000], tests.labels[:2000])
    assert share == 0.951  # of all 10,000 it is .9665


def test_embedding_keeps_distances_as_far_as_its_variance():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 30))
    train, tests, variance = pictures.embed(flat[:150].astype(np.float32), flat[150:].astype(np.float32), 3)
    assert variance == pytest.approx(1.0)
    distances = np.linalg.norm(train[:50] - tests, axis=1)
    np.testing.assert_allclose(distances, np.linalg.norm(flat[:50] - flat[150:], axis=1), rtol=1e-4)
