"""The native core: arguments arrive checked and converted, see :mod:`annlib._checks`.

Arrays are C-contiguous and of exactly the type shown; paths are encoded by :func:`os.fsencode`. Damage to a file raises
:class:`annlib.IndexFileError`, a failing system call :class:`OSError`.
"""

from typing import Final, Never, final

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION: Final[int]
MAX_DIM: Final[int]
CALIBRATED_K: Final[list[int]]
CALIBRATED_RECALLS: Final[list[float]]

def isa() -> str:
    """Name the instruction set in use; ValueError where ``ANNLIB_ISA`` names one this host cannot use."""

def available_isas() -> list[str]:
    """Name the instruction sets of this host, narrowest first."""

def use_isa(name: str) -> None:
    """Use another instruction set from now on, in tests and benchmarks."""

def take_word_records(
    buffer: bytes | bytearray | memoryview, dim: int, most: int
) -> tuple[bytes, NDArray[np.float32], int, bool]:
    """Take word2vec's binary records from the start of a buffer, until one is not whole or there are ``most``.

    Returns the words, each with a space after it and perhaps a newline before it, the vectors, float32 ``(r, dim)``,
    how many bytes they took, and whether all components are finite.
    """

@final
class Index:
    """An open index image, in memory or mapped from a file; immutable and safe to share between threads."""

    def __init__(self, *args: Never, **kwargs: Never) -> None:
        """Raise TypeError: an index is opened, or finished by a writer."""

    @staticmethod
    def open(path: bytes) -> Index: ...
    def save(self, path: bytes) -> None: ...
    def verify(self) -> None: ...
    @property
    def metric(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def id_type(self) -> str: ...
    @property
    def has_names(self) -> bool: ...
    @property
    def file_bytes(self) -> int: ...
    @property
    def sections(self) -> list[tuple[str, int, int, bool]]: ...
    @property
    def metadata(self) -> bytes: ...
    @property
    def calibration(self) -> list[tuple[str, int, list[list[float]]]]:
        """For each table: its source, its number of queries, and beta by CALIBRATED_K and CALIBRATED_RECALLS."""

    @property
    def vectors(self) -> NDArray[np.float32]: ...
    @property
    def integer_ids(self) -> NDArray[np.int64]: ...
    def string_ids(self, rows: NDArray[np.int64]) -> list[str]: ...
    def names(self, rows: NDArray[np.int64]) -> list[str]: ...
    def rows_of_integers(self, ids: NDArray[np.int64]) -> NDArray[np.int64]: ...
    def rows_of_strings(self, ids: list[str]) -> NDArray[np.int64]: ...
    def search_rows(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        own_rows: NDArray[np.int64] | None = None,
        exclude: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
        allow: NDArray[np.int64] | None = None,
        recall: float = 1.0,
        num_threads: int = 0,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], tuple[int, int, int]]:
        """Rows, scores, and how many pairs were scanned, remained contenders, and were scored by the definition."""

@final
class Writer:
    """Writes an index image block by block, to memory or under a temporary name beside ``path``."""

    def __init__(self, path: bytes | None, metric: str, dim: int, expected_bytes: int = 0) -> None: ...
    def set_integer_ids(self, ids: NDArray[np.int64]) -> None: ...
    def set_string_ids(self, joined: bytes, offsets: NDArray[np.uint64]) -> None: ...
    def set_names(self, joined: bytes, offsets: NDArray[np.uint64]) -> None: ...
    def set_calibration_queries(self, queries: NDArray[np.float32]) -> None: ...
    def append(self, vectors: NDArray[np.float32]) -> int:
        """Append up to the first vector that is not finite; return how many that were."""

    def finish(self, metadata: bytes, *, num_threads: int = 0) -> Index: ...
    def abandon(self) -> None:
        """Remove what was written; nothing to do once finished."""
