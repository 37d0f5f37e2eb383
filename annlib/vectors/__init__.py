"""Vectors from the files that people have: NumPy, Parquet, word2vec, GloVe, TEXMEX, idx and HDF5.

>>> from annlib.vectors import build_index, open_vectors
>>> index = build_index(open_vectors("GoogleNews-vectors-negative300.bin.gz"), "words.ann", metric="cosine")

Every reader streams in blocks of some 16 MB and tells what is wrong with a file, and where, as a
:class:`VectorFileError`. A new format is a module beside these and a line in :mod:`annlib.vectors.registry`.
"""

from __future__ import annotations

from annlib.vectors.base import VectorBlock, VectorFileError, VectorSource
from annlib.vectors.build import build_index
from annlib.vectors.registry import FORMATS, open_vectors

__all__ = ["FORMATS", "VectorBlock", "VectorFileError", "VectorSource", "build_index", "open_vectors"]
