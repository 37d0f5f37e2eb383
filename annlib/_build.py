"""Building: vectors, ids and names through the one writer, to memory or to a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from annlib import _checks, _native

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from annlib.metric import Metric

_HEADROOM = 1 << 16  # bytes for header, metadata and alignment, beside what grows with the vectors


def write_index(
    vectors: ArrayLike | Iterable[ArrayLike],
    *,
    metric: Metric,
    ids: ArrayLike | None,
    names: Sequence[str] | None,
    calibration_queries: ArrayLike | None,
    path: str | None,
    metadata: bytes,
    num_threads: int,
) -> _native.Index:
    """Write an index as :meth:`annlib.Index.build` describes, and return it open."""
    dim, count, blocks = _checks.vector_blocks(vectors, streamed=path is not None)
    calibration = (
        None
        if calibration_queries is None
        else _checks.as_queries(calibration_queries, dim, argument="calibration_queries")
    )
    # Vectors, codes and their boxes, norms: room that is not used costs nothing.
    expected_bytes = 0 if count is None else count * (6 * dim + 64) + _HEADROOM
    writer = _native.Writer(None if path is None else os.fsencode(path), metric, dim, expected_bytes)
    try:
        if count is not None:  # an array: ids that do not fit it are told before anything is written
            _set_ids(writer, ids, count)
            _set_names(writer, names, count)
        written = _append(writer, blocks)
        if count is None:  # a stream: ids and names may have been gathered while it was read
            _set_ids(writer, ids, written)
            _set_names(writer, names, written)
        if calibration is not None:
            writer.set_calibration_queries(calibration)
        return writer.finish(metadata, num_threads=num_threads)
    finally:
        writer.abandon()


def _set_ids(writer: _native.Writer, ids: ArrayLike | None, count: int) -> None:
    if ids is None:
        return
    converted = _checks.as_ids("ids", ids)
    _check_length("ids", len(converted), count)
    if isinstance(converted, list):
        writer.set_string_ids(*_checks.join_strings("ids", converted))
    else:
        writer.set_integer_ids(converted)


def _set_names(writer: _native.Writer, names: Sequence[str] | None, count: int) -> None:
    if names is None:
        return
    if isinstance(names, (str, bytes)):
        raise TypeError(f"names: expected a sequence of strings, got the single {type(names).__name__} {names!r}")
    converted = _checks.check_strings("names", names)
    _check_length("names", len(converted), count)
    writer.set_names(*_checks.join_strings("names", converted))


def _check_length(argument: str, length: int, count: int) -> None:
    if length != count:
        raise ValueError(f"{argument}: expected one for each of the {count} vectors, got {length}")


def _append(writer: _native.Writer, blocks: Iterable[NDArray[np.generic]]) -> int:
    """Write all vectors; return how many they are."""
    first_row = 0
    for block in blocks:
        finite = writer.append(_checks.as_float32(block))
        if finite < len(block):
            raise _checks.refuse_row("vectors", block, finite, first_row)
        first_row += len(block)
    return first_row
