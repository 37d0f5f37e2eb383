"""word2vec's binary format: a line ``count dim``, then for each word the word, a space and ``dim`` float32.

word2vec itself ends each vector with a newline, other writers do not. Records have no fixed length, as words have none,
so each is found only by way of the one before it. Of all ways to walk them, one regular expression over a large buffer
is the fastest that Python has: it reads the words and jumps over the vectors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from annlib.vectors.base import BLOCK_BYTES, VectorBlock, VectorFileError, VectorSource, check_dim
from annlib.vectors.files import InputFile

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from annlib.vectors.files import ByteReader

__all__ = ["Word2vecSource", "parse_header"]

_LONGEST_HEADER = 64
_LONGEST_WORD = 4096
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
        shortest = count * (self._vector_bytes + 2)
        if self._file.size is not None and self._file.size < self._start + shortest:
            raise VectorFileError(
                f"truncated, or a wrong header: {count} words of {dim} dimensions take "
                f"{self._start + shortest} bytes or more, the file has {self._file.size}",
                path=self.path,
                offset=0,
            )

    def blocks(self) -> Iterator[VectorBlock]:  # noqa: D102
        # A token is what precedes a vector and its space: the word, perhaps after the newline that ends the record
        # before. Where no further record is complete, the second branch takes all the rest at once.
        record = re.compile(rb"([^ ]{1,%d}+) .{%d}|.+" % (_LONGEST_WORD, self._vector_bytes), re.DOTALL)
        with self._file.open() as reader:
            reader.read(self._start)
            buffer = memoryview(bytearray(max(BLOCK_BYTES, 2 * (self._vector_bytes + _LONGEST_WORD))))
            held = 0  # bytes of a record that began in the last buffer
            row = 0
            while row < self.count:
                start = reader.offset - held
                filled = held + reader.fill(buffer[held:])
                tokens = record.findall(buffer[:filled])
                if tokens and not tokens[-1]:
                    tokens.pop()
                tokens = tokens[: self.count - row]
                if not tokens:
                    raise self._incomplete(bytes(buffer[: min(filled, _LONGEST_WORD + 2)]), start, row)
                ends = np.cumsum(np.fromiter(map(len, tokens), np.int64, len(tokens)) + (1 + self._vector_bytes))
                vectors = self._gather(buffer[:filled], ends - self._vector_bytes)
                yield VectorBlock(self._finite(vectors, row), self._words(tokens, ends, start, row))
                row += len(tokens)
                held = filled - int(ends[-1])
                buffer[:held] = bytes(buffer[filled - held : filled])
            self._check_end(reader, bytes(buffer[:held]))

    def _gather(self, buffer: memoryview, starts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Copy the vectors that start at these bytes, one memory copy for each."""
        vector = np.dtype((np.void, self._vector_bytes))
        anywhere = np.ndarray((len(buffer) - self._vector_bytes + 1,), dtype=vector, buffer=buffer, strides=(1,))
        return anywhere[starts].view("<f4").reshape(-1, self.dim)

    def _words(self, tokens: list[bytes], ends: NDArray[np.int64], start: int, row: int) -> list[str]:
        """Decode all words at once: a space, which no word has, keeps them apart."""
        try:
            words = b" ".join(tokens).decode().replace("\n", "").split(" ")
        except UnicodeDecodeError:
            at = next(i for i, token in enumerate(tokens) if not _is_utf8(token))
            wrong = tokens[at].lstrip(b"\n")
            message = f"expected a word in UTF-8, got {wrong!r}"
        else:
            if all(words):
                return words
            at = words.index("")
            message = "expected a word before the vector, got none"
        offset = start + int(ends[at]) - self._vector_bytes - 1 - len(tokens[at].lstrip(b"\n"))
        raise VectorFileError(message, path=self.path, offset=offset, row=row + at)

    def _incomplete(self, held: bytes, offset: int, row: int) -> VectorFileError:
        """Describe why no record starts with these bytes, of which there are enough for the longest."""
        record = held.lstrip(b"\n")  # not the end of the record before
        offset += len(held) - len(record)
        word, space, _ = record.partition(b" ")
        if not record:
            message = f"truncated: the header promises {self.count} words, the file ends after {row}"
        elif space and not word:
            message = "expected a word, got a space"
        elif len(word) > _LONGEST_WORD:
            message = f"expected a word of up to {_LONGEST_WORD} bytes and a space, got {record[:40]!r}..."
        else:
            message = (
                f"truncated: the header promises {self.count} words of {self.dim} dimensions, "
                f"the file ends within word {row}"
            )
        return VectorFileError(message, path=self.path, offset=offset, row=row)

    def _check_end(self, reader: ByteReader, held: bytes) -> None:
        offset = reader.offset - len(held)
        rest = held + reader.read(2)
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


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
