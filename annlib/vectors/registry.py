"""The formats by name: the one place where a reader is chosen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from annlib.vectors.base import VectorFileError
from annlib.vectors.detect import detect_format
from annlib.vectors.idx import IdxSource
from annlib.vectors.npy import NpySource
from annlib.vectors.texmex import TexmexSource
from annlib.vectors.text import GloveSource, Word2vecTextSource
from annlib.vectors.word2vec import Word2vecSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from annlib.vectors.base import VectorSource

__all__ = ["FORMATS", "open_vectors"]


def _open_parquet(path: str, *, id_column: str | None = None, vector_column: str | None = None) -> VectorSource:
    try:
        from annlib.vectors.parquet import ParquetSource
    except ModuleNotFoundError as error:
        raise _missing(error, "Parquet", "pyarrow", "pip install pyarrow") from None
    return ParquetSource(path, id_column=id_column, vector_column=vector_column)


def _open_hdf5(path: str, *, dataset: str | None = None) -> VectorSource:
    try:
        from annlib.vectors.hdf5 import Hdf5Source
    except ModuleNotFoundError as error:
        raise _missing(error, "HDF5", "h5py", "pip install 'cfpipe[hdf5]'") from None
    return Hdf5Source(path, dataset=dataset)


def _missing(error: ModuleNotFoundError, kind: str, package: str, command: str) -> ImportError:
    if error.name != package:
        return error
    return ImportError(f"reading {kind} needs {package}, which is not installed: {command}", name=package)


_READERS: dict[str, Callable[..., VectorSource]] = {
    "npy": NpySource,
    "parquet": _open_parquet,
    "word2vec": Word2vecSource,
    "word2vec-text": Word2vecTextSource,
    "glove": GloveSource,
    "fvecs": TexmexSource,
    "idx": IdxSource,
    "hdf5": _open_hdf5,
}
_OPTIONS = {"parquet": ("id_column", "vector_column"), "hdf5": ("dataset",)}

FORMATS = tuple(_READERS)
"""What ``format`` may be. fvecs also reads ``.bvecs`` and ``.ivecs``."""


def open_vectors(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    id_column: str | None = None,
    vector_column: str | None = None,
    dataset: str | None = None,
) -> VectorSource:
    """Open a file of vectors; what precedes the vectors is read and checked.

    Parameters
    ----------
    path
        The file, plain or gzip; for Parquet also a folder of files.
    format
        One of :data:`FORMATS`; None recognizes it by the first bytes and the ending.
    id_column
        The Parquet column of ids, integers or strings. Without it the row numbers are the ids.
    vector_column
        The Parquet column of lists. Without it the only such column, or every numeric column as one dimension.
    dataset
        The HDF5 dataset; ``train`` where not given.

    Raises
    ------
    VectorFileError
        The file is not what its format says.
    ValueError
        The format is unknown, or has no such thing as an option that was given.
    ImportError
        The format needs a package that is not installed.
    OSError
        The file cannot be read.
    """
    target = os.fspath(path)
    name = detect_format(target) if format is None else format
    if name is None:
        raise VectorFileError(
            "the format could not be recognized by the file's first bytes or its ending",
            path=target,
            advice=f"Name it: one of {', '.join(FORMATS)}.",
        )
    if name not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {name!r}")
    given = {"id_column": id_column, "vector_column": vector_column, "dataset": dataset}
    options = {option: value for option, value in given.items() if value is not None}
    for option, value in options.items():
        if option not in _OPTIONS.get(name, ()):
            raise ValueError(f"{option}: a {name} file has no such thing, got {value!r}")
    return _READERS[name](target, **options)
