"""The formats by name: the one place where a reader is chosen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from annlib.vectors.base import VectorFileError
from annlib.vectors.detect import detect_format
from annlib.vectors.npy import NpySource
from annlib.vectors.text import GloveSource, Word2vecTextSource
from annlib.vectors.word2vec import Word2vecSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from annlib.vectors.base import VectorSource

__all__ = ["FORMATS", "open_vectors"]


#: Formats that the path alone opens.
_PLAIN: dict[str, Callable[[str], VectorSource]] = {
    "npy": NpySource,
    "word2vec": Word2vecSource,
    "word2vec-text": Word2vecTextSource,
    "glove": GloveSource,
}

FORMATS = tuple(_PLAIN)
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
    options = {"id_column": id_column, "vector_column": vector_column, "dataset": dataset}
    for option, value in options.items():
        if value is not None and option not in _OPTIONS.get(name, ()):
            raise ValueError(f"{option}: a {name} file has no such thing, got {value!r}")
    return _PLAIN[name](target)


_OPTIONS = {"parquet": ("id_column", "vector_column"), "hdf5": ("dataset",)}
