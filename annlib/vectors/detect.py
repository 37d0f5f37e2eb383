"""Which format a file has: by its first bytes where they tell, else by its ending, else by how its text looks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from annlib.vectors.files import InputFile

if TYPE_CHECKING:
    import os

__all__ = ["detect_format"]

_MAGICS = {b"\x93NUMPY": "npy", b"PAR1": "parquet", b"\x89HDF\r\n\x1a\n": "hdf5"}

_ENDINGS = {
    ".npy": "npy",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".fvecs": "fvecs",
    ".bvecs": "fvecs",
    ".ivecs": "fvecs",
    ".idx": "idx",
    ".hdf5": "hdf5",
    ".h5": "hdf5",
}

_HEAD_BYTES = 8192
_IDX_NAME = re.compile(r"[.-]idx[0-9]+-[a-z]+$")
_IDX_MAGIC = re.compile(rb"\0\0[\x08\x09\x0b-\x0e][\x01-\x08]", re.DOTALL)
_HEADER = re.compile(rb"[0-9]+[ \t]+[0-9]+[ \t]*\r?\n")
_ENDS_IN_NUMBER = re.compile(rb"[^ \t][ \t]+[-+]?[.0-9]+([eE][-+]?[0-9]+)?[ \t\r]*$")
_OF_NUMBERS = b"0123456789+-.eEnaif \t\r"


def detect_format(path: str | os.PathLike[str]) -> str | None:
    """Return one of :data:`annlib.vectors.FORMATS`, None where nothing tells."""
    if Path(path).is_dir():
        return "parquet"
    head = InputFile(path).head(_HEAD_BYTES)
    for magic, name in _MAGICS.items():
        if head.startswith(magic):
            return name
    file_name = Path(path).name.lower().removesuffix(".gz")
    ending = Path(file_name).suffix
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if _IDX_NAME.search(file_name) or _IDX_MAGIC.match(head):
        return "idx"
    if header := _HEADER.match(head):
        return "word2vec-text" if _has_digits(head[header.end() :]) else "word2vec"
    if ending == ".bin":
        return "word2vec"
    return "glove" if _ENDS_IN_NUMBER.search(head.partition(b"\n")[0]) else None


def _has_digits(records: bytes) -> bool:
    """Tell word2vec's text from its binary format by what follows the first word."""
    numbers = records.replace(b"\t", b" ").partition(b" ")[2].partition(b"\n")[0][:24]
    return bool(re.search(rb"[0-9]", numbers)) and not numbers.strip(_OF_NUMBERS)
