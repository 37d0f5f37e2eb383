"""word2vec's binary format: a line ``count dim``, then for each word the word, a space and ``dim`` float32.

word2vec itself ends each vector with a newline, other writers do not. Records have no fixed length, as words have none,
so each is found only by way of the one before it. Of all ways to walk them, one regular expression over a large buffer
is the fastest that Python has: it finds the spaces after the words and jumps over the vectors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from annlib.vectors.base import VectorBlock, VectorFileError, VectorSource, check_dim
from annlib.vectors.files import InputFile

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Word2vecSource", "parse_header"]

_LONGEST_HEADER = 64
_LONGEST_WORD = 4096
_BUFFER_BYTES = 1 << 19  # stays in a core's cache, as a buffer is gone over several times
_HEADER = re.compile(rb"([0-9]+)[ \t]+([0-9]+)[ \t]*\r?\n")


class Word2vecSource(VectorSource):
    """A word2vec binary file."""

    format = "word2vec"
    count: int

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = InputFile(path)
        count, dim, self._start = parse_header(self._file)
        super().__init__(path, dim=dim, count=count, has_ids=True)
        self._vector_bytes = 4 * dim
        self._vector = re.compile(rb" .{%d}" % self._vector_bytes, re.DOTALL)
        shortest = count * (self._vector_bytes + 2)
        if self._file.size is not None and self._file.size < self._start + shortest:
            raise VectorFileError(
                f"truncated, or a wrong header: {count} words of {dim} dimensions take "
                f"{self._start + shortest} bytes or more, the file has {self._file.size}",
                path=self.path,
                offset=0,
            )

    def blocks(self) -> Iterator[VectorBlock]:  # noqa: D102
        longest = _LONGEST_WORD + self._vector_bytes + 2  # of a record: with its space and newline
        buffer = memoryview(bytearray(max(_BUFFER_BYTES, 2 * longest)))
        offset, row, held = self._start, 0, 0  # held: bytes of a record that began in the last buffer
        with self._file.open() as reader:
            reader.read(self._start)
            while count := reader.fill(buffer[held:]):
                records = buffer[: held + count]
                block, used = self._parse(records, offset, row)
                row += len(block.vectors)
                offset += used
                held = len(records) - used
                if row == self.count:
                    self._refuse_rest(bytes(records[used:]), offset)
                    held = 0
                elif held >= longest:
                    raise self._incomplete(bytes(records[used:]), offset, row)
                buffer[:held] = bytes(records[len(records) - held :])
                if len(block.vectors) > 0:
                    yield block
        if row < self.count:
            raise self._incomplete(bytes(buffer[:held]), offset, row)

    def _parse(self, records: memoryview, offset: int, row: int) -> tuple[VectorBlock, int]:
        """Return the words and vectors that are complete, and how many bytes they take."""
        tokens = self._vector.split(records)[:-1][: self.count - row]
        if not tokens:
            return VectorBlock(np.empty((0, self.dim), dtype=np.float32), []), 0
        joined = b" ".join(tokens)
        spaces = np.flatnonzero(np.frombuffer(joined + b" ", dtype=np.uint8) == ord(" "))
        starts = spaces + 1 + np.arange(len(tokens)) * self._vector_bytes  # of the vectors
        try:
            words = joined.decode().replace("\n", "").split(" ")
        except UnicodeDecodeError:
            words = [""]
        if not all(words) or np.diff(spaces, prepend=-1).max() > _LONGEST_WORD + 2:
            faults = ((i, fault) for i, token in enumerate(tokens) if (fault := _fault_of_word(token)))
            i, fault = next(faults)
            word_start = int(starts[i]) - 1 - len(tokens[i].lstrip(b"\n"))
            raise VectorFileError(fault, path=self.path, offset=offset + word_start, row=row + i)
        vectors = self._finite(self._gather(records, starts), row)
        return VectorBlock(vectors, words), int(starts[-1]) + self._vector_bytes

    def _gather(self, records: memoryview, starts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Copy the vectors that start at these bytes, one memory copy for each."""
        vector = np.dtype((np.void, self._vector_bytes))
        anywhere = np.ndarray((len(records) - self._vector_bytes + 1,), dtype=vector, buffer=records, strides=(1,))
        return anywhere[starts].view("<f4").reshape(-1, self.dim)

    def _incomplete(self, held: bytes, offset: int, row: int) -> VectorFileError:
        """Describe why no record starts with these bytes: all there are, or enough for the longest record."""
        record = held.lstrip(b"\n")  # not the end of the record before
        word, space, _ = record.partition(b" ")
        fault = _fault_of_word(word) if space or len(word) > _LONGEST_WORD else None
        if fault is None:
            promised = f"the header promises {self.count} words of {self.dim} dimensions"
            fault = f"truncated: {promised}, the file ends within or before word {row}"
        return VectorFileError(fault, path=self.path, offset=offset + len(held) - len(record), row=row)

    def _refuse_rest(self, rest: bytes, offset: int) -> None:
        """Raise where more than a newline is left after the last vector."""
        if rest.strip(b"\n"):
            raise VectorFileError(
                f"expected the end after the {self.count} words that the header promises, got {rest[:40]!r}",
                path=self.path,
                offset=offset,
            )


def parse_header(file: InputFile) -> tuple[int, int, int]:
    """Return the count, the dimension and the length of the line ``count dim`` that word2vec's files start with."""
    head = file.head(_LONGEST_HEADER)
    match = _HEADER.match(head)
    if match is None:
        raise VectorFileError(f"expected a first line `count dimensions`, got {head[:40]!r}", path=file.path, offset=0)
    return int(match[1]), check_dim(file.path, int(match[2]), offset=0), match.end()


def _fault_of_word(token: bytes) -> str | None:
    """Say what is wrong with the bytes before a vector; None where they are a word."""
    if not token.replace(b"\n", b""):
        return "expected a word before the vector, got none"
    if len(token) > _LONGEST_WORD + 1:
        return f"expected a word of up to {_LONGEST_WORD} bytes and a space, got {token[:40]!r}..."
    try:
        token.decode()
    except UnicodeDecodeError:
        return f"expected a word in UTF-8, got {token!r}"
    return None
