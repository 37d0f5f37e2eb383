"""Files that are not what their format says: the error names the file, the place, and what was wrong."""

from __future__ import annotations

import gzip
import pickle
import struct

import numpy as np
import pytest

from annlib.vectors import VectorFileError

NPY_HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"


def npy(header: str, data: bytes = bytes(16)) -> bytes:
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data


def records(*words: bytes, end: bytes = b"\n") -> bytes:
    return b"".join(word + b" " + np.arange(2, dtype="<f4").tobytes() + end for word in words)


def bits(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


CASES = {
    # .npy
    "npy empty": ("v.npy", b"", "expected a .npy file, which starts with .* got b''"),
    "npy foreign": ("v.npy", b"PK\3\4aaaaaaaaaaa", "expected a .npy file"),
    "npy version": ("v.npy", b"\x93NUMPY\x09\0\0\0", "byte 6: expected format version 1, 2 or 3, got 9"),
    "npy cut in header": ("v.npy", npy(NPY_HEADER)[:20], "byte 10: truncated: expected 59 bytes of header, got 10"),
    "npy long header": ("v.npy", b"\x93NUMPY\2\0\xff\xff\xff\x7f", "expected a header of up to 65536 bytes"),
    "npy no header": ("v.npy", npy("zebra"), "byte 10: bad header"),
    "npy nested": ("v.npy", npy("(" * 5000), "byte 10: bad header"),
    "npy dtype": ("v.npy", npy(NPY_HEADER.replace("<f4", "|O")), "expected real numbers, got dtype '|O'"),
    "npy odd dtype": ("v.npy", npy(NPY_HEADER.replace("<f4", "<f7")), "bad header"),
    "npy order": ("v.npy", npy(NPY_HEADER.replace("False", "3")), "expected fortran_order True or False, got 3"),
    "npy shape": ("v.npy", npy(NPY_HEADER.replace("(2, 2)", "(4,)")), r"expected a shape \(n, d\), got \(4,\)"),
    "npy negative": ("v.npy", npy(NPY_HEADER.replace("(2, 2)", "(2, -2)")), r"expected a shape .* got \(2, -2\)"),
    "npy absurd": ("v.npy", npy(NPY_HEADER.replace("(2, 2)", "(10**9, 2)")), "bad header"),
    "npy wide": ("v.npy", npy(NPY_HEADER.replace("(2, 2)", "(1, 99999)")), "1 to 65535 dimensions, got 99999"),
    "npy many": ("v.npy", npy(NPY_HEADER.replace("(2, 2)", "(999999999999, 2)")), "truncated, or a wrong header"),
    "npy truncated": ("v.npy", npy(NPY_HEADER, bytes(15)), "byte 0: truncated, or a wrong header: 2 vectors take 85"),
    "npy trailing": ("v.npy", npy(NPY_HEADER, bytes(17)), "more bytes than the header says"),
    "npy nan": ("v.npy", npy(NPY_HEADER, bits(0, 1, np.nan, 0)), "row 1: expected finite numbers, got nan"),
    "npy gz truncated": (
        "v.npy.gz",
        gzip.compress(npy(NPY_HEADER, bytes(12))),
        "truncated: the file ends within vector 1 of the 2",
    ),
    "npy gz columns": (
        "v.npy.gz",
        gzip.compress(npy(NPY_HEADER.replace("False", "True"))),
        "expected rows one after another",
    ),
    # gzip
    "gz cut": ("v.npy.gz", gzip.compress(npy(NPY_HEADER))[:-10], "damaged gzip data"),
    "gz flipped": ("v.txt.gz", gzip.compress(b"a 1 2\n" * 50)[:30] + b"\xff" * 20, "damaged gzip data"),
    "gz empty": ("v.npy.gz", b"\x1f\x8b", "damaged gzip data"),
    # word2vec
    "w2v empty": ("v.bin", b"", "byte 0: expected a first line `count dimensions`, got b''"),
    "w2v no header": ("v.bin", b"hello world\n", "expected a first line `count dimensions`"),
    "w2v negative": ("v.bin", b"-2 2\n" + records(b"a", b"b"), "expected a first line `count dimensions`"),
    "w2v no dims": ("v.bin", b"2 0\n" + records(b"a"), "byte 0: expected vectors of 1 to 65535 dimensions, got 0"),
    "w2v wide": ("v.bin", b"2 99999999999\n" + records(b"a"), "expected vectors of 1 to 65535 dimensions"),
    "w2v count": ("v.bin", b"999999999999999 2\n" + records(b"a"), "byte 0: truncated, or a wrong header"),
    "w2v one more": (
        "v.bin",
        b"3 2\n" + records(b"a", b"bcdefghijklmn"),
        "byte 38, row 2: truncated: .* ends within or before word 2",
    ),
    "w2v fewer": ("v.bin", b"1 2\n" + records(b"a", b"b"), "byte 14: expected the end after the 1 words"),
    "w2v truncated": (
        "v.bin",
        (b"2 2\n" + records(b"a", b"bcd"))[:-3],
        "byte 15, row 1: truncated: .* within or before word 1",
    ),
    "w2v no word": (
        "v.bin",
        b"2 2\n" + records(b"a", b"") + b"\n\n",
        "byte 15, row 1: expected a word before",
    ),
    "w2v no word at all": ("v.bin", b"2 2\n" + records(b"", b"abcdef"), "byte 4, row 0: expected a word before"),
    "w2v not UTF-8": ("v.bin", b"2 2\n" + records(b"a", b"\xff\xfe"), r"byte 15, row 1: .* UTF-8, got b'.*\\xff"),
    "w2v no space": ("v.bin", b"1 2\n" + b"x" * 9999, "byte 4, row 0: expected a word of up to 4096 bytes and a space"),
    "w2v inf": ("v.bin", b"1 2\na " + bits(1, np.inf), "row 0: expected finite numbers, got inf in dimension 1"),
    "w2v gz short": ("v.bin.gz", gzip.compress(b"9 2\n" + records(b"a")), "ends within or before word 1"),
    # text
    "text header count": ("v.txt", b"3 2\na 1 2\nb 3 4\n", "line 1: expected 3 words, .* got 2"),
    "text header few": ("v.txt", b"1 2\na 1 2\nb 3 4\n", "line 1: expected 1 words, .* got 2"),
    "text dims": ("v.txt", b"2 99999\na 1 2\n", "byte 0: expected vectors of 1 to 65535 dimensions"),
    "text ragged": ("v.txt", b"2 2\na 1 2\nb 3\n", "line 3: expected a word and 2 numbers, got 1 numbers"),
    "text wide": ("v.txt", b"a 1 2\nb 3 4 5\n", "line 2: expected a word and 2 numbers, got 3 numbers"),
    "text cut": ("v.txt", b"a 1 2\nb 3", "line 2: expected a word and 2 numbers, got 1"),
    "text blank line": ("v.txt", b"a 1 2\n\nb 3 4\n", "line 2: expected a word and 2 numbers, got 0"),
    "text no number": ("v.txt", b"a 1 2\nb 3 x\n", "line 2: expected a number, got b'x'"),
    "text underscore": ("v.txt", b"a 1 2\nb 3 1_0\n", "line 2: expected a number, got b'1_0'"),
    "text comma": ("v.txt", b"a 1 2\nb 3 1,0\n", "line 2: expected a number, got b'1,0'"),
    "text carriage return": ("v.txt", b"a 1 2\nb 3\r 4\n", "line 2: expected a number"),
    "text not ASCII": ("v.txt", "a 1 2\nb 3 ４\n".encode(), "line 2: expected a number"),
    "text no word": ("v.txt", b"a 1 2\n 3 4\n", "line 2: expected a word before"),
    "text not UTF-8": ("v.txt", b"a 1 2\n\xff\xfe 3 4\n", r"line 2: expected a word in UTF-8, got b'\\xff"),
    "text nan": ("v.txt", b"a 1 2\nb 3 nan\n", "line 2: expected finite numbers, got nan in dimension 1"),
    "text huge": ("v.txt", b"a 1 2\nb 3 1e39\n", "line 2: expected finite numbers, got inf"),
    "text empty": ("v.vec", b"", "the format could not be recognized"),
    # TEXMEX
    "fvecs empty": ("v.fvecs", b"", "byte 0: truncated: expected 4 bytes of the first vector's dimension, got 0"),
    "fvecs dims": ("v.fvecs", struct.pack("<i", -1) + bits(1), "byte 0: expected vectors of 1 to 65535 dimensions"),
    "fvecs truncated": ("v.fvecs", struct.pack("<i", 2) + bits(1), "byte 8: truncated: the file ends within vector 0"),
    "fvecs ragged": (
        "v.fvecs",
        struct.pack("<iff", 2, 1, 1) + struct.pack("<ifff", 3, 1, 1, 1),
        "byte 12, row 1: expected 2 dimensions, as the first vector has, got 3",
    ),
    "fvecs nan": ("v.fvecs", struct.pack("<iff", 2, 1, np.nan), "row 0: expected finite numbers, got nan"),
    # idx
    "idx empty": ("v.idx", b"", "byte 0: truncated: expected 4 bytes of the magic number"),
    "idx endian": ("v.idx", b"\3\x08\0\0" + bytes(12), "expected the magic number in big-endian order"),
    "idx foreign": ("v.idx", b"\0\0\x07\3" + bytes(12), "expected an idx file"),
    "idx labels": ("v.idx", b"\0\0\x08\1\0\0\0\1\7", "byte 3: expected at least 2 dimensions"),
    "idx no dims": ("v.idx", b"\0\0\x08\2\0\0\0\1\0\0\0\0", "expected vectors of 1 to 65535 dimensions, got 0"),
    "idx absurd": ("v.idx", b"\0\0\x08\3" + b"\xff" * 12, "expected vectors of 1 to 65535 dimensions"),
    "idx count": ("v.idx", b"\0\0\x08\2\xff\xff\xff\xff\0\0\0\1a", "4294967295 vectors take 4294967307 bytes"),
    "idx truncated": ("v.idx", b"\0\0\x08\2\0\0\0\2\0\0\0\2abc", "2 vectors take 16 bytes .* the file has 15"),
    # HDF5 and Parquet
    "hdf5 empty": ("v.hdf5", b"", "not an HDF5 file that can be read"),
    "hdf5 foreign": ("v.hdf5", b"\x89HDF\r\n\x1a\n" + bytes(100), "not an HDF5 file that can be read"),
    "parquet empty": ("v.parquet", b"", "not a Parquet file that can be read"),
    "parquet foreign": ("v.parquet", b"PAR1" + bytes(100) + b"PAR1", "not a Parquet file that can be read"),
    # Which format?
    "unknown": ("v.dat", b"\0\1\2\3\4\5", "the format could not be recognized"),
    "an index": ("v.ann", b"annlib\0\0" + bytes(100), "the format could not be recognized"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_error_says_where_and_what(case, open_bytes, read_all, tmp_path):
    name, content, message = CASES[case]
    with pytest.raises(VectorFileError, match=message) as caught:
        read_all(open_bytes(name, content))
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.advice.endswith(".")


@pytest.mark.parametrize("kind", ["npy-gz", "word2vec-gz", "glove-gz", "fvecs-gz"])
def test_a_compressed_file_that_is_cut(valid, open_bytes, read_all, kind):
    sample = valid(kind)
    with pytest.raises(VectorFileError, match="damaged gzip data"):
        read_all(open_bytes(sample.name, sample.content[:-9]))


def test_a_line_without_end_does_not_fill_the_memory(open_bytes):
    with pytest.raises(VectorFileError, match="byte 0: expected lines of up to 4194304 bytes"):
        open_bytes("v.txt", b"a " + b"1 " * 3_000_000, format="glove")


def test_the_error_can_be_pickled():
    error = VectorFileError("expected more", path="a.txt", line=3, advice="Write more.")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(copy), copy.line, copy.advice) == ("a.txt: line 3: expected more", 3, "Write more.")
