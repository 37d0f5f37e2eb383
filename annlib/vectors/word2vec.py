"""word2vec's binary format: a line ``count dim``, then for each word the word, a space and ``dim`` float32.

word2vec itself ends each vector with a newline, other writers do not. Records have no fixed length, as words have none,
so each is found only by way of the one before it: native code walks them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from annlib._native import take_word_records
from annlib.vectors.base import VectorBlock, VectorFileError, VectorSource, check_dim
from annlib.vectors.files import InputFile

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

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
        joined, vectors, used, finite = take_word_records(records, self.dim, self.count - row)
        words = self._words(joined, offset, row)
        return VectorBlock(vectors if finite else self._finite(vectors, row), words), used

    def _words(self, joined: bytes, offset: int, row: int) -> list[str]:
        """Decode all words at once: a space, which no word has, ends each."""
        try:
            words = joined.decode().replace("\n", "").split(" ")[:-1]
        except UnicodeDecodeError:
            words = [""]
        if all(words) and len(max(words, key=len, default="")) * 4 <= _LONGEST_WORD:  # in UTF-8
            return words
        return self._checked_words(joined.split(b" ")[:-1], offset, row)

    def _checked_words(self, tokens: list[bytes], offset: int, row: int) -> list[str]:
        """Decode the words that precede vectors one by one, or say where one is wrong."""
        words = []
        for i, token in enumerate(tokens):
            fault = _fault_of_word(token)
            word = token.lstrip(b"\n")
            if fault is not None:
                place = offset + len(token) - len(word)
                raise VectorFileError(fault, path=self.path, offset=place, row=row + i)
            words.append(token.decode().replace("\n", ""))
            offset += len(token) + 1 + self._vector_bytes
        return words

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
