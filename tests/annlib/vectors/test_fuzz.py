"""Damaged files of every format: an error about the file, or vectors; never anything else."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from annlib.vectors import VectorFileError, open_vectors

ROUNDS = 100
MEMORY = 64 << 20  # a block or two, whatever a header says


def damaged(content: bytes, dice: random.Random) -> bytes:
    """Flip, cut, insert, repeat or overwrite, once or a few times; the header gets its share."""
    data = bytearray(content)
    for _ in range(dice.choice([1, 1, 1, 2, 5])):
        end = min(len(data), 64) if dice.random() < 0.5 else len(data)
        at = dice.randrange(end + 1)
        match dice.randrange(6):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + dice.randint(1, 8)]
            case 2:
                data[at:at] = dice.randbytes(dice.randint(1, 8))
            case 3:
                data[at:at] = data[at : at + dice.randint(1, 40)]
            case 4:
                data[at : at + 4] = dice.choice([b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0", b"9999"])
            case 5:
                data[at : at + 1] = bytes([(data[at] if at < len(data) else 0) ^ (1 << dice.randrange(8))])
    return bytes(data)


def test_damaged_files(sample, tmp_path, read_all):
    dice = random.Random(sample.name + sample.format)  # noqa: S311
    path = tmp_path / sample.name
    refused = 0
    tracemalloc.start()
    try:
        for _ in range(ROUNDS):
            path.write_bytes(damaged(sample.content, dice))
            try:
                read_all(open_vectors(path, format=dice.choice([None, sample.format])))
            except VectorFileError as error:
                refused += 1
                assert str(error).startswith(str(path))  # noqa: PT017
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert refused > ROUNDS // 5


@pytest.mark.parametrize("kind", ["npy", "word2vec", "word2vec-text", "fvecs", "idx", "parquet", "hdf5"])
def test_every_truncation(kind, valid, tmp_path, read_all):
    sample = valid(kind)
    path = tmp_path / sample.name
    accepted = []
    step = max(1, len(sample.content) // 200)
    for length in range(0, len(sample.content), step):
        path.write_bytes(sample.content[:length])
        try:
            read_all(open_vectors(path, format=sample.format))
        except VectorFileError:
            continue
        accepted.append(length)
    row_bytes = 4 + 4 * 4
    end = len(sample.content)
    whole = {
        "word2vec": [end - 1],  # the last newline may be missing, and a last digit of text
        "word2vec-text": list(range(end - 4, end)),
        "fvecs": list(range(row_bytes, end, row_bytes)),
    }
    assert accepted == whole.get(kind, [])
