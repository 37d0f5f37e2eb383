"""Files of bytes, plain or gzip alike."""

from __future__ import annotations

import gzip
import os
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from annlib.vectors.base import VectorFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ByteReader", "InputFile"]

_PART_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


class InputFile:
    """A file that is read from its start, gunzipped where its first bytes say so.

    Attributes
    ----------
    path : str
    compressed : bool
    size : int or None
        Bytes of the content; None where it is compressed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        with Path(self.path).open("rb") as file:
            self.compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            self.size = None if self.compressed else os.fstat(file.fileno()).st_size

    @contextmanager
    def open(self) -> Iterator[ByteReader]:
        """Open the content, at its start."""
        with Path(self.path).open("rb", buffering=0) as file:
            if self.compressed:
                with gzip.GzipFile(fileobj=file) as content:
                    yield ByteReader(self.path, cast("BinaryIO", content))
            else:
                yield ByteReader(self.path, cast("BinaryIO", file))

    def head(self, count: int) -> bytes:
        """Return the first bytes of the content, fewer where there are no more."""
        with self.open() as reader:
            return reader.read(count)


class ByteReader:
    """Reads content in order, and knows how far it has come."""

    def __init__(self, path: str, file: BinaryIO) -> None:
        self.path = path
        self.offset = 0
        self._file = file

    def fill(self, buffer: memoryview) -> int:
        """Read into a buffer until it is full or the content ends; return how many bytes came."""
        filled = 0
        while filled < len(buffer):
            try:
                count = self._file.readinto(buffer[filled:])  # type: ignore[attr-defined]
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise self.error(f"damaged gzip data: {error}") from None
            if count == 0:
                break
            filled += count
            self.offset += count
        return filled

    def read(self, count: int) -> bytes:
        """Read ``count`` bytes, fewer where the content ends."""
        buffer = bytearray(count)
        return bytes(buffer[: self.fill(memoryview(buffer))])

    def read_all(self) -> bytes:
        """Read all that is left."""
        parts = []
        while part := self.read(_PART_BYTES):
            parts.append(part)
        return b"".join(parts)

    def read_exactly(self, count: int, what: str) -> bytes:
        """Read ``count`` bytes, or raise where the content ends before."""
        start = self.offset
        found = self.read(count)
        if len(found) < count:
            raise VectorFileError(
                f"truncated: expected {count} bytes of {what}, got {len(found)}", path=self.path, offset=start
            )
        return found

    def error(self, message: str) -> VectorFileError:
        """Return an error about what would be read next."""
        return VectorFileError(message, path=self.path, offset=self.offset)
