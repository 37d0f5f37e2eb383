"""Arguments, converted once to what the native core takes, or refused by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Protocol, SupportsIndex, TypeGuard, cast, runtime_checkable

import numpy as np

from annlib import _native
from annlib.metric import METRICS, Metric

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_BLOCK_BYTES = 16 << 20
_NUMERIC_KINDS = "fiub"


@runtime_checkable
class CsrMatrix(Protocol):
    """What is read of a CSR matrix, as of :class:`scipy.sparse.csr_array`."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def indptr(self) -> NDArray[np.integer]: ...
    @property
    def indices(self) -> NDArray[np.integer]: ...


def check_metric(metric: object) -> Metric:
    """Return a metric's name, or raise ValueError naming those there are."""
    for known in METRICS:
        if metric == known:
            return known
    raise ValueError(f"metric: expected one of {', '.join(METRICS)}, got {metric!r}")


def check_integer(argument: str, value: SupportsIndex, smallest: int) -> int:
    """Return an integer that is not below ``smallest``."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{argument}: expected an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{argument}: expected an integer, got {type(value).__name__}") from None
    if number < smallest:
        raise ValueError(f"{argument}: expected at least {smallest}, got {number}")
    return number


def check_recall(recall: float) -> float:
    """Return a recall in (0, 1]."""
    if isinstance(recall, (bool, np.bool_)) or not isinstance(recall, (int, float, np.integer, np.floating)):
        raise TypeError(f"recall: expected a number above 0 and up to 1, got {type(recall).__name__}")
    if not 0.0 < float(recall) <= 1.0:
        raise ValueError(f"recall: expected a number above 0 and up to 1, got {recall}")
    return float(recall)


def as_matrix(argument: str, value: ArrayLike) -> NDArray[np.generic]:
    """Return real numbers of shape ``(n, d)``, not yet converted to float32."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{argument}: expected an array without a mask, got a masked array")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{argument}: expected rows of one length, got a ragged sequence ({error})") from None
    if array.dtype.kind not in _NUMERIC_KINDS:
        raise TypeError(f"{argument}: expected real numbers, got {_described(value, array)}")
    if array.ndim == 1:
        raise ValueError(
            f"{argument}: expected shape (n, d), got one vector of shape {array.shape}; pass it as v[None, :]"
        )
    if array.ndim != 2:
        raise ValueError(f"{argument}: expected shape (n, d), got {array.shape}")
    return array


def _described(value: object, array: NDArray[np.generic]) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {array.dtype}"
    return f"{type(value).__name__} (as an array: {array.dtype})"


def as_float32(block: NDArray[np.generic]) -> NDArray[np.float32]:
    """Round to float32, C-contiguous; what is too large becomes infinite and is refused afterwards."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(block, dtype=np.float32)


def refuse_row(argument: str, block: NDArray[np.generic], row: int, first_row: int) -> ValueError:
    """Describe why ``block[row]`` is not finite in float32."""
    with np.errstate(invalid="ignore"):  # a signalling NaN warns when it is cast
        values = np.asarray(block[row], dtype=np.longdouble)
    i = int(np.flatnonzero(~np.isfinite(as_float32(values)))[0])
    what = "finite numbers" if not np.isfinite(values[i]) else "numbers within the range of float32"
    return ValueError(f"{argument}: expected {what}, got {block[row, i]} in row {first_row + row}, column {i}")


def as_queries(queries: ArrayLike, dim: int, argument: str = "queries") -> NDArray[np.float32]:
    """Return queries as finite float32 ``(m, dim)``."""
    array = as_matrix(argument, queries)
    if array.shape[1] != dim:
        raise ValueError(f"{argument}: expected {dim} dimensions, as the index has, got shape {array.shape}")
    converted = as_float32(array)
    finite = np.isfinite(converted).all(axis=1)
    if not finite.all():
        raise refuse_row(argument, array, int(np.flatnonzero(~finite)[0]), 0)
    return converted


def vector_blocks(
    vectors: ArrayLike | Iterable[ArrayLike], *, streamed: bool
) -> tuple[int, int | None, Iterator[NDArray[np.generic]]]:
    """Cut vectors into blocks that are converted one at a time.

    Returns
    -------
    dim : int
    count : int or None
        None where the vectors come as an iterable.
    blocks : Iterator
        Arrays of shape ``(rows, dim)`` of any real type.
    """
    if not _is_block_iterable(vectors):
        array = as_matrix("vectors", cast("ArrayLike", vectors))
        return _checked_dim(array.shape[1]), len(array), _sliced(array)
    if not streamed:
        raise TypeError(
            f"vectors: expected an array of shape (n, d), got {type(vectors).__name__}; "
            "an iterable of blocks needs `path`, where they are streamed to"
        )
    blocks = (as_matrix("vectors", block) for block in vectors)
    first = next(blocks, None)
    if first is None:
        raise ValueError("vectors: expected at least one block, got none; pass an array of shape (0, d) for no vectors")
    dim = _checked_dim(first.shape[1])
    return dim, None, (part for block in chain([first], blocks) for part in _sliced(_same_dim(block, dim)))


def _is_block_iterable(vectors: ArrayLike | Iterable[ArrayLike]) -> TypeGuard[Iterable[ArrayLike]]:
    if isinstance(vectors, (list, tuple)):
        return len(vectors) > 0 and isinstance(vectors[0], np.ndarray) and vectors[0].ndim == 2
    return not hasattr(vectors, "__array__") and isinstance(vectors, Iterable) and not isinstance(vectors, Sequence)


def _checked_dim(dim: int) -> int:
    if not 1 <= dim <= _native.MAX_DIM:
        raise ValueError(f"vectors: expected 1 to {_native.MAX_DIM} dimensions, got {dim}")
    return dim


def _same_dim(block: NDArray[np.generic], dim: int) -> NDArray[np.generic]:
    if block.shape[1] != dim:
        raise ValueError(f"vectors: expected blocks of {dim} dimensions, as the first, got shape {block.shape}")
    return block


def _sliced(array: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    rows = max(1, _BLOCK_BYTES // (4 * array.shape[1]))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def as_ids(argument: str, ids: ArrayLike) -> NDArray[np.int64] | list[str]:
    """Return integer ids as int64, or string ids as a list."""
    if isinstance(ids, (str, bytes)):
        raise TypeError(f"{argument}: expected a sequence of ids, got the single {type(ids).__name__} {ids!r}")
    if isinstance(ids, (list, tuple)) and ids and isinstance(ids[0], str):
        return check_strings(argument, ids)  # not by way of NumPy, which drops trailing NULs
    array = np.asarray(ids)
    if array.ndim != 1:
        raise ValueError(f"{argument}: expected one dimension, got shape {array.shape}")
    if array.size == 0:
        return [] if array.dtype.kind in "UT" else np.empty(0, dtype=np.int64)
    if array.dtype.kind in "iu":
        if array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{argument}: expected integers below 2**63, got {array.max()}")
        return np.ascontiguousarray(array, dtype=np.int64)
    if array.dtype.kind in "UT":
        return check_strings(argument, array.tolist())
    if array.dtype.kind == "O":
        return _ids_of_objects(argument, array.tolist())
    raise TypeError(f"{argument}: expected integers or strings, got {array.dtype}")


def _ids_of_objects(argument: str, values: list[object]) -> NDArray[np.int64] | list[str]:
    if isinstance(values[0], str):
        return check_strings(argument, values)
    for i, value in enumerate(values):
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{argument}: expected integers, got {value!r} at position {i}")
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        raise ValueError(f"{argument}: expected integers of 64 bits, got larger ones") from None


def as_rows(argument: str, rows: ArrayLike, count: int) -> NDArray[np.int64]:
    """Return row numbers from 0 to ``count - 1`` as int64."""
    array = np.asarray(rows)
    if array.ndim != 1:
        raise ValueError(f"{argument}: expected one dimension, got shape {array.shape}")
    if array.dtype.kind not in "iu" and array.size > 0:
        raise TypeError(f"{argument}: expected integers, got {array.dtype}")
    outside = np.flatnonzero((array < 0) | (array >= count))
    if outside.size > 0:
        raise IndexError(f"{argument}: expected 0 to {count - 1}, got {array[outside[0]]} at position {outside[0]}")
    return np.ascontiguousarray(array, dtype=np.int64)


def check_strings(argument: str, values: Iterable[object]) -> list[str]:
    """Return a list of strings, none of them anything else."""
    strings = list(values)
    for i, value in enumerate(strings):
        if not isinstance(value, str):
            raise TypeError(f"{argument}: expected strings, got {value!r} at position {i}")
    return cast("list[str]", strings)


def join_strings(argument: str, strings: list[str]) -> tuple[bytes, NDArray[np.uint64]]:
    """Encode strings as joined UTF-8 and the offsets of each: string i ends where string i + 1 starts."""
    try:
        encoded = [text.encode() for text in strings]
    except UnicodeEncodeError as error:
        raise ValueError(f"{argument}: expected text that UTF-8 can encode, got {error.object!r}") from None
    offsets = np.zeros(len(encoded) + 1, dtype=np.uint64)
    np.cumsum(np.fromiter(map(len, encoded), dtype=np.uint64, count=len(encoded)), out=offsets[1:])
    return b"".join(encoded), offsets


def csr_exclusions(exclude: CsrMatrix, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return offsets and rows of a CSR matrix, one row for each query and one column for each row of the index."""
    if getattr(exclude, "format", "csr") != "csr":
        raise TypeError(f"exclude: expected a CSR matrix, got format {exclude.format!r}; call .tocsr()")  # type: ignore[attr-defined]
    if tuple(exclude.shape) != shape:
        raise ValueError(f"exclude: expected shape {shape}, queries by rows of the index, got {tuple(exclude.shape)}")
    return (
        np.ascontiguousarray(exclude.indptr, dtype=np.int64),
        np.ascontiguousarray(exclude.indices, dtype=np.int64),
    )
