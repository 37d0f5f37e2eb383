"""Ids: integers or strings, kept as they came, and numbered as they stream by.

A Parquet column says what its ids are. Text does not, and a reader that guesses makes 7 of ``007``: ids of text files
are read as strings, and are integers only if every one is written as an integer would be.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The two types of ids.
INTEGER, STRING = pa.int64(), pa.string()

_CANONICAL_INTEGER = r"^(0|-?[1-9][0-9]{0,18})$"
_MAX_STRING_BYTES = 2**31 - 1


def normalize_ids(array: pa.Array, column: str) -> pa.Array:
    """Bring ids to int64 or string.

    Raises
    ------
    DataError
        If the type is neither an integer nor a string, or an unsigned integer is beyond int64.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if kind in (INTEGER, STRING):
        return array
    if pa.types.is_integer(kind):
        try:
            return array.cast(INTEGER)
        except pa.ArrowInvalid:
            beyond = pc.max(array).as_py()
            raise DataError(f"{column}: expected integers within int64 (up to {2**63 - 1}), got {beyond}") from None
    if pa.types.is_large_string(kind) or pa.types.is_null(kind) or kind == pa.string_view():
        return array.cast(STRING)
    raise DataError(f"{column}: expected integers or strings, got {kind}")


def integers_of_text(array: pa.Array) -> pa.Array | None:
    """The same ids as int64 if every one is written as an integer would be, else None."""
    if not pc.all(pc.match_substring_regex(array, _CANONICAL_INTEGER), min_count=0).as_py():
        return None
    try:
        return array.cast(INTEGER)
    except pa.ArrowInvalid:  # nineteen digits can be beyond int64
        return None


def integer_of_text(text: str) -> int | None:
    """One id as an integer if it is written as an integer would be, else None."""
    if not re.fullmatch(_CANONICAL_INTEGER, text, re.ASCII):
        return None
    integer = int(text)
    return integer if -(2**63) <= integer < 2**63 else None


def ids_like(array: pa.Array, kind: pa.DataType, *, text: bool, column: str) -> pa.Array:
    """Bring ids to the type of the ids they are to be matched with.

    Parameters
    ----------
    array
        Ids as they were read.
    kind
        int64 or string.
    text
        Whether they come from a text file, so that their type is not known; what is not written as an integer would
        be matches no integer and becomes null.

    Raises
    ------
    DataError
        If ids of this type can match none of the other.
    """
    array = normalize_ids(array, column)
    if array.type == kind:
        return array
    if not text:
        raise DataError(
            f"{column}: expected {_plural(kind)} like the ids they are matched with, got {_plural(array.type)}"
        )
    canonical = pc.match_substring_regex(array, _CANONICAL_INTEGER)
    array = pc.if_else(canonical, array, pa.scalar(None, STRING))
    try:
        return array.cast(INTEGER)
    except pa.ArrowInvalid:
        values = [
            None if value is None or not -(2**63) <= int(value) < 2**63 else int(value) for value in array.to_pylist()
        ]
        return pa.array(values, INTEGER)


def _plural(kind: pa.DataType) -> str:
    return "integers" if kind == INTEGER else "strings"


class IdEncoder:
    """Numbers ids in the order of their sorted distinct values, one batch after another.

    Batches are kept as they come until they are large enough to be looked up in one hash table with the ids found so
    far. The whole takes time linear in the rows, and memory of 4 bytes a row, the distinct ids and their hash table,
    and as much again, 128 MB at the least, of batches not yet numbered.
    """

    _MIN_PENDING_BYTES = 1 << 27

    def __init__(self, column: str, *, text: bool) -> None:
        self._column = column
        self._text = text
        self._distinct: pa.Array | None = None
        self._codes: list[NDArray[np.int32]] = []
        self._pending: list[pa.Array] = []
        self._pending_bytes = 0

    def add(self, ids: pa.Array) -> None:
        """Take the ids of the next batch, int64 or string, without nulls."""
        if self._distinct is None:
            self._distinct = pa.array([], ids.type)
        if ids.type != self._distinct.type:
            raise DataError(
                f"{self._column}: expected ids of one type in all files, got {_plural(self._distinct.type)} "
                f"and {_plural(ids.type)}"
            )
        if not len(ids):
            return
        self._pending.append(ids)
        self._pending_bytes += ids.nbytes
        if self._pending_bytes >= max(self._MIN_PENDING_BYTES, self._distinct.nbytes):
            self._number_pending()

    def finish(self) -> tuple[pa.Array, NDArray[np.int32]]:
        """Return the sorted distinct ids and, for every id added, its row among them; the encoder is spent."""
        self._number_pending()
        ids = self._distinct if self._distinct is not None else pa.array([], INTEGER)
        codes = np.concatenate([np.empty(0, np.int32), *self._codes])
        self._codes.clear()
        if self._text and ids.type == STRING:
            integers = integers_of_text(ids)
            ids = ids if integers is None else integers
        order = pc.array_sort_indices(ids)
        rank = np.empty(len(ids), np.int32)
        rank[order.to_numpy()] = np.arange(len(ids), dtype=np.int32)
        return ids.take(order), rank[codes]

    def _number_pending(self) -> None:
        """Number the pending ids by their first appearance; those found before come first, and keep their numbers."""
        if self._distinct is None or not self._pending:
            return
        encoded = pa.chunked_array([self._distinct, *self._pending]).dictionary_encode()
        self._codes += [chunk.indices.to_numpy() for chunk in encoded.slice(len(self._distinct)).chunks]
        distinct = encoded.chunk(0).dictionary
        if distinct.nbytes > _MAX_STRING_BYTES and distinct.type == STRING:
            raise DataError(f"{self._column}: expected at most 2 GB of distinct ids, got more")
        self._distinct = distinct
        self._pending.clear()
        self._pending_bytes = 0


def same_type(value: Any, kind: pa.DataType) -> bool:
    """Whether a Python value is an id of this type."""
    return (
        isinstance(value, str)
        if kind == STRING
        else isinstance(value, int | np.integer) and not isinstance(value, bool)
    )
