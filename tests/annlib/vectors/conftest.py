"""A small valid file of every format, as bytes; and reading one to its end."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from annlib.vectors import VectorSource, open_vectors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

WORDS = ["the", "naïve", "</s>", "San_José", "日本"]
VECTORS = np.random.default_rng(3).integers(0, 100, size=(5, 4)).astype(np.float32)


@dataclass(frozen=True)
class Sample:
    """A valid file: its name and content, and what must be read from it."""

    name: str
    content: bytes
    format: str
    vectors: NDArray[np.float32] = field(default_factory=lambda: VECTORS)
    ids: list[str] | None = None


def npy(array: NDArray[np.generic], version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


def word2vec(end: bytes) -> bytes:
    records = [word.encode() + b" " + row.tobytes() + end for word, row in zip(WORDS, VECTORS, strict=True)]
    return b"5 4\n" + b"".join(records)


def text_lines(end: str = "\n") -> str:
    return "".join(f"{word} {' '.join(map(str, row))}{end}" for word, row in zip(WORDS, VECTORS.tolist(), strict=True))


def texmex(dtype: str) -> bytes:
    return b"".join(np.int32(4).tobytes() + row.astype(dtype).tobytes() for row in VECTORS)


def parquet(fixed: bool) -> bytes:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    kind = pa.list_(pa.float32(), 4) if fixed else pa.list_(pa.float64())
    file = io.BytesIO()
    pq.write_table(pa.table({"vector": pa.array(VECTORS.tolist(), kind)}), file, write_page_checksum=True)
    return file.getvalue()


def hdf5() -> bytes:
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened["train"] = VECTORS
        opened["test"] = VECTORS[:2]
        opened["neighbors"] = np.zeros((2, 3), np.int32)
        opened.attrs["distance"] = "angular"
        opened.attrs["type"] = "dense"
    return file.getvalue()


MAKERS: dict[str, Callable[[], Sample]] = {
    "npy": lambda: Sample("v.npy", npy(VECTORS), "npy"),
    "npy-columns": lambda: Sample("v.npy", npy(np.asfortranarray(VECTORS)), "npy"),
    "npy-2": lambda: Sample("v.npy", npy(VECTORS.astype(">f8"), (2, 0)), "npy"),
    "npy-3": lambda: Sample("v.npy", npy(VECTORS.astype(np.uint8), (3, 0)), "npy"),
    "npy-gz": lambda: Sample("v.npy.gz", gzip.compress(npy(VECTORS.astype(np.float16))), "npy"),
    "word2vec": lambda: Sample("v.bin", word2vec(b"\n"), "word2vec", ids=WORDS),
    "word2vec-without-newlines": lambda: Sample("v.bin", word2vec(b""), "word2vec", ids=WORDS),
    "word2vec-gz": lambda: Sample("v.bin.gz", gzip.compress(word2vec(b"\n")), "word2vec", ids=WORDS),
    "word2vec-text": lambda: Sample("v.txt", b"5 4\n" + text_lines().encode(), "word2vec-text", ids=WORDS),
    "fasttext": lambda: Sample("v.vec", b"5 4\n" + text_lines(" \n").encode(), "word2vec-text", ids=WORDS),
    "glove": lambda: Sample("v.txt", text_lines().encode(), "glove", ids=WORDS),
    "glove-windows": lambda: Sample("v.txt", text_lines("\r\n").encode(), "glove", ids=WORDS),
    "glove-tabs": lambda: Sample("v.txt", text_lines().replace(" ", "\t").encode(), "glove", ids=WORDS),
    "glove-gz": lambda: Sample("v.txt.gz", gzip.compress(text_lines().encode()), "glove", ids=WORDS),
    "fvecs": lambda: Sample("v.fvecs", texmex("<f4"), "fvecs"),
    "bvecs": lambda: Sample("v.bvecs", texmex("u1"), "fvecs"),
    "ivecs": lambda: Sample("v.ivecs", texmex("<i4"), "fvecs"),
    "fvecs-gz": lambda: Sample("v.fvecs.gz", gzip.compress(texmex("<f4")), "fvecs"),
    "idx": lambda: Sample(
        "v-idx3-ubyte", b"\0\0\x08\3\0\0\0\5\0\0\0\2\0\0\0\2" + VECTORS.astype("u1").tobytes(), "idx"
    ),
    "idx-float": lambda: Sample("v.idx", b"\0\0\x0d\2\0\0\0\5\0\0\0\4" + VECTORS.astype(">f4").tobytes(), "idx"),
    "parquet": lambda: Sample("v.parquet", parquet(fixed=False), "parquet"),
    "parquet-fixed": lambda: Sample("v.parquet", parquet(fixed=True), "parquet"),
    "hdf5": lambda: Sample("v.hdf5", hdf5(), "hdf5"),
}


@pytest.fixture(scope="session")
def valid() -> Callable[[str], Sample]:
    """Make a valid file by the name of its kind."""
    return lambda kind: MAKERS[kind]()


@pytest.fixture(params=MAKERS)
def sample(request: pytest.FixtureRequest) -> Sample:
    """A valid file of each kind."""
    return MAKERS[request.param]()


@pytest.fixture(scope="session")
def read_all() -> Callable[[VectorSource], tuple[NDArray[np.float32], list[object] | None]]:
    """Read a source to its end, as one array and one list of ids; what every block promises is checked."""

    def read(source: VectorSource) -> tuple[NDArray[np.float32], list[object] | None]:
        parts = [np.empty((0, source.dim), np.float32)]
        ids: list[object] = []
        for block in source.blocks():
            assert block.vectors.dtype == np.float32
            assert block.vectors.flags.c_contiguous
            assert block.vectors.shape[1] == source.dim
            assert np.isfinite(block.vectors).all()
            assert (block.ids is not None) == source.has_ids
            if block.ids is not None:
                assert len(block.ids) == len(block.vectors)
                ids.extend(block.ids)
            parts.append(block.vectors)
        return np.concatenate(parts), ids if source.has_ids else None

    return read


@pytest.fixture
def open_bytes(tmp_path: Path) -> Callable[..., VectorSource]:
    """Write content to a file and open it as vectors."""

    def open_content(name: str, content: bytes, **options: str) -> VectorSource:
        path = tmp_path / name
        path.write_bytes(content)
        return open_vectors(path, **options)

    return open_content
