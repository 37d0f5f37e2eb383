"""Vectors as text, a word and its numbers on each line: word2vec's format, below a line ``count dim``, and GloVe's."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from annlib.vectors.base import VectorBlock, VectorFileError, VectorSource, check_dim
from annlib.vectors.files import InputFile
from annlib.vectors.word2vec import parse_header

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from annlib.vectors.files import ByteReader

__all__ = ["GloveSource", "Word2vecTextSource"]

_CHUNK_BYTES = 1 << 20
_LONGEST_LINE = 4 << 20
_FLOAT = rb"[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|nan|NaN|NAN|inf|Inf|INF|infinity|Infinity)"
_NUMBER = re.compile(_FLOAT)
_ENDS_IN_NUMBER = re.compile(rb"\s" + _FLOAT + rb"$")


class _TextSource(VectorSource):
    """Lines of a word and its numbers."""

    def __init__(self, file: InputFile, *, dim: int, count: int | None, header_lines: int) -> None:
        super().__init__(file.path, dim=dim, count=count, has_ids=True)
        self._file = file
        self._header_lines = header_lines

    def blocks(self) -> Iterator[VectorBlock]:
        row = 0
        with self._file.open() as reader:
            for lines in _line_chunks(reader, self._header_lines):
                block = self._parse(lines, row)
                row += len(block.vectors)
                yield block
        self._check_count(row)

    @abstractmethod
    def _check_count(self, found: int) -> None:
        """Raise where the file has another number of vectors than it says."""

    def place(self, row: int) -> str:
        return f"line {row + self._header_lines + 1}"

    def error_at_row(self, row: int, message: str, *, advice: str | None = None) -> VectorFileError:
        line = row + self._header_lines + 1
        return VectorFileError(message, path=self.path, line=line, advice=advice)

    def _parse(self, lines: list[bytes], first_row: int) -> VectorBlock:
        words, numbers = [], []
        for i, line in enumerate(lines):
            word, values = self._split(line, first_row + i)
            words.append(word)
            numbers.append(values)
        return VectorBlock(self._finite(self._floats(numbers, first_row), first_row), self._decoded(words, first_row))

    def _split(self, line: bytes, row: int) -> tuple[bytes, bytes]:
        """Part a word from its numbers: they are the last ``dim`` fields, as a word may contain spaces."""
        line = line.rstrip()
        if line.count(b" ") == self.dim:
            word, _, values = line.partition(b" ")
        else:
            fields = line.rsplit(None, self.dim)
            word, values = fields[0] if fields else b"", b" ".join(fields[1:])
            if len(fields) <= self.dim or _ENDS_IN_NUMBER.search(word):
                found = len(line.split()) - 1
                raise self.error_at_row(row, f"expected a word and {self.dim} numbers, got {max(found, 0)} numbers")
        if not word:
            raise self.error_at_row(row, f"expected a word before the {self.dim} numbers, got none")
        return word, values

    def _floats(self, numbers: list[bytes], first_row: int) -> NDArray[np.float32]:
        try:
            text = b"\n".join(numbers).decode("ascii")
            floats = np.loadtxt(text.split("\n"), dtype=np.float32, comments=None, ndmin=2)
            if floats.shape == (len(numbers), self.dim):
                return floats
        except ValueError:  # also where a byte is not ASCII
            pass
        for i, values in enumerate(numbers):
            for field in values.split(b" "):
                if not _NUMBER.fullmatch(field):
                    raise self.error_at_row(first_row + i, f"expected a number, got {field[:40]!r}")
        raise self.error_at_row(first_row, f"expected {self.dim} numbers on each of {len(numbers)} lines")

    def _decoded(self, words: list[bytes], first_row: int) -> list[str]:
        try:
            return b"\n".join(words).decode().split("\n")
        except UnicodeDecodeError:
            for i, word in enumerate(words):
                try:
                    word.decode()
                except UnicodeDecodeError:
                    message = f"expected a word in UTF-8, got {word[:80]!r}"
                    raise self.error_at_row(first_row + i, message) from None
            raise


class Word2vecTextSource(_TextSource):
    """A word2vec text file; fastText's ``.vec`` is the same."""

    format = "word2vec-text"
    count: int

    def __init__(self, path: str | os.PathLike[str]) -> None:
        file = InputFile(path)
        count, dim, _ = parse_header(file)
        super().__init__(file, dim=dim, count=count, header_lines=1)

    def _check_count(self, found: int) -> None:
        if found != self.count:
            raise VectorFileError(
                f"expected {self.count} words, as the first line promises, got {found}", path=self.path, line=1
            )


class GloveSource(_TextSource):
    """A GloVe text file: no header, the first line tells the dimension."""

    format = "glove"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        file = InputFile(path)
        with file.open() as reader:
            lines = next(_line_chunks(reader, 0), None)
        if lines is None:
            raise VectorFileError("expected lines of a word and its numbers, got an empty file", path=file.path)
        super().__init__(file, dim=check_dim(file.path, len(lines[0].split()) - 1, line=1), count=None, header_lines=0)

    def _check_count(self, found: int) -> None:
        """Nothing says how many there should be."""


def _line_chunks(reader: ByteReader, skipped: int) -> Iterator[list[bytes]]:
    """Cut content into lists of complete lines, without the first ``skipped`` ones."""
    held = b""
    while chunk := reader.read(_CHUNK_BYTES):
        complete, newline, rest = (held + chunk).rpartition(b"\n")
        if newline:
            lines = complete.split(b"\n")
            if len(lines) > skipped:
                yield lines[skipped:]
            skipped = max(0, skipped - len(lines))
        held = rest
        if len(held) > _LONGEST_LINE:
            raise VectorFileError(
                f"expected lines of up to {_LONGEST_LINE} bytes, got a longer one",
                path=reader.path,
                offset=reader.offset - len(held),
            )
    if held and not skipped:
        yield [held]
