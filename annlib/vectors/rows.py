"""Rows of a fixed number of bytes, one after another: what .npy, idx and TEXMEX files are beneath their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from annlib.vectors.base import VectorFileError, rows_per_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from annlib.vectors.files import ByteReader

__all__ = ["check_size", "row_blocks"]


def row_blocks(reader: ByteReader, row: np.dtype[np.void], count: int | None) -> Iterator[NDArray[np.void]]:
    """Read ``count`` rows, or all there are, as structured arrays; raise where a row is cut short or bytes are left."""
    largest = rows_per_block(row.itemsize)
    done = 0
    while count is None or done < count:
        start = reader.offset
        wanted = largest if count is None else min(largest, count - done)
        found = reader.read(wanted * row.itemsize)
        if not found and count is None:
            return
        rows = np.frombuffer(found, dtype=row, count=len(found) // row.itemsize)
        done += len(rows)
        if len(rows) > 0:
            yield rows
        if len(found) % row.itemsize > 0 or (count is not None and len(rows) < wanted):
            promised = "" if count is None else f" of the {count} that the header promises"
            raise VectorFileError(
                f"truncated: the file ends within vector {done}{promised}",
                path=reader.path,
                offset=start + len(found),
            )
    if reader.read(1):
        raise VectorFileError(
            f"expected the end after the {count} vectors that the header promises, got more bytes",
            path=reader.path,
            offset=reader.offset - 1,
        )


def check_size(path: str, size: int | None, *, start: int, row_bytes: int, count: int) -> None:
    """Raise where the size of a file, if known, is not that of its header and rows."""
    expected = start + row_bytes * count
    if size is not None and size != expected:
        kind = "truncated, or a wrong header" if size < expected else "more bytes than the header says"
        raise VectorFileError(
            f"{kind}: {count} vectors take {expected} bytes with the header, the file has {size}",
            path=path,
            offset=0,
        )
