"""Formats that are a stream of bytes: CSV, JSON Lines, and the commands that load a Redis server.

They go to a file, compressed where its name ends in ``.gz``, or to standard output. Each group of rows ends at a known
byte, and with ``.gz`` at the end of a gzip member, so an export that was killed is cut there and goes on.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from abc import abstractmethod
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from pipeline.errors import DataError
from pipeline.export.writer import ExportWriter

if TYPE_CHECKING:
    from pathlib import Path

#: Between speed and size: a third of the time of the default level for a tenth more bytes.
_GZIP_LEVEL: Final = 3


class LineWriter(ExportWriter):
    """A stream of bytes.

    Parameters
    ----------
    path, name, schema
        As of every :class:`~pipeline.export.writer.ExportWriter`.
    compressed
        Whether to write gzip members.
    stream
        Where to write instead of to the file.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        schema: pa.Schema,
        *,
        compressed: bool = False,
        stream: IO[bytes] | None = None,
    ) -> None:
        super().__init__(path, name, schema)
        self._compressed = compressed
        self._file = stream
        self._member: IO[bytes] | None = None

    def start(self) -> None:
        """Begin a new file."""
        if self._file is None:
            self._file = self.path.open("wb")
        self._append(self.header())

    def resume(self, rows: int, nbytes: int) -> int:
        """Open what a killed export left; returns the rows that are there."""
        self._file = self.path.open("r+b")
        if self._file.seek(0, os.SEEK_END) < nbytes or not nbytes:
            self._file.truncate(0)
            self._file.seek(0)
            self._append(self.header())
            return 0
        self._file.truncate(nbytes)
        self._file.seek(nbytes)
        return rows

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        self._append(self.encode(batch))

    def commit(self) -> int:
        """Make what was written last; returns the bytes of the file."""
        file = self._opened()
        if self._member is not None:
            self._member.close()
            self._member = None
        file.flush()
        if not file.seekable():
            return 0
        os.fsync(file.fileno())
        return file.tell()

    def finish(self) -> None:
        """Complete the file, and close it."""
        self.commit()
        self.close()

    def close(self) -> None:
        """Close the file, whatever is in it."""
        if self._file is not None:
            file, self._file, self._member = self._file, None, None
            file.close()

    def header(self) -> bytes:
        """What comes before all rows."""
        return b""

    @abstractmethod
    def encode(self, batch: pa.RecordBatch) -> bytes:
        """The bytes of some rows."""

    def _append(self, data: bytes) -> None:
        if self._compressed and data:
            if self._member is None:
                member = gzip.GzipFile("", "wb", _GZIP_LEVEL, self._opened(), mtime=0)
                self._member = cast("IO[bytes]", member)
            self._member.write(data)
        else:
            self._opened().write(data)

    def _opened(self) -> IO[bytes]:
        assert self._file is not None  # noqa: S101 - started or resumed
        return self._file


class CsvWriter(LineWriter):
    """Comma-separated values (RFC 4180, but for the ends of lines) with a header; strings are quoted, null is empty."""

    def header(self) -> bytes:
        """The names of the columns."""
        names = pa.table({name: pa.array([], pa.string()) for name in self.schema.names})
        return self._csv(names, header=True)

    def encode(self, batch: pa.RecordBatch) -> bytes:
        """The bytes of some rows."""
        return self._csv(pa.Table.from_batches([batch]), header=False)

    @staticmethod
    def _csv(rows: pa.Table, *, header: bool) -> bytes:
        sink = io.BytesIO()
        pacsv.write_csv(rows, sink, pacsv.WriteOptions(include_header=header))
        return sink.getvalue()


class JsonLinesWriter(LineWriter):
    """An object a line, its keys the columns; null and NaN are ``null``."""

    def encode(self, batch: pa.RecordBatch) -> bytes:
        """The bytes of some rows."""
        pieces: list[pa.Array | str] = []
        for position, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
            pieces += [f"{', ' if position else '{'}{json.dumps(name)}: ", _json_text(column)]
        return _bytes(_joined(*pieces, "}\n"))


class RedisType(StrEnum):
    """What a list becomes in Redis.

    ``zset`` keeps the scores: ``ZREVRANGE key 0 9 WITHSCORES``. Redis orders equal scores by itself; ``list`` keeps the
    ranks, and no scores: ``LRANGE key 0 9``.
    """

    ZSET = "zset"
    LIST = "list"


class RedisWriter(LineWriter):
    r"""Commands in Redis's own protocol, for ``redis-cli --pipe``: a key for each list, replaced as a whole.

    ``DEL key``, then ``ZADD key score member ...`` or ``RPUSH key member ...``; the key is a prefix and the id of the
    entity whose list it is. The members of a long list may come in several commands, in order.

    Parameters
    ----------
    prefix
        Begins every key; ``NAME:`` by default.
    redis_type
        What a list becomes.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        schema: pa.Schema,
        *,
        compressed: bool = False,
        stream: IO[bytes] | None = None,
        prefix: str | None = None,
        redis_type: RedisType = RedisType.ZSET,
    ) -> None:
        super().__init__(path, name, schema, compressed=compressed, stream=stream)
        self._prefix = f"{name}:" if prefix is None else prefix
        self._type = redis_type

    def encode(self, batch: pa.RecordBatch) -> bytes:
        """The bytes of some rows."""
        ids = batch.column(0)
        starts = np.flatnonzero(np.r_[True, pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)])
        ends = np.r_[starts[1:], len(ids)]
        keys = _bulk(_joined(self._prefix, ids.take(pa.array(starts)).cast(pa.string())))
        arguments = [_bulk(batch.column("item_id").cast(pa.string()))]
        if self._type is RedisType.ZSET:
            arguments.insert(0, _bulk(self._scores(batch)))
        members = pa.ListArray.from_arrays(pa.array(np.r_[starts, len(ids)], pa.int32()), _joined(*arguments))
        counts = pa.array(2 + len(arguments) * (ends - starts)).cast(pa.string())
        verb = "$4\r\nZADD\r\n" if self._type is RedisType.ZSET else "$5\r\nRPUSH\r\n"
        # A list that began in an earlier batch goes on.
        begins = pc.equal(batch.column("rank").take(pa.array(starts)), 1)
        deletions = pc.if_else(begins, _joined("*2\r\n$3\r\nDEL\r\n", keys), "")
        return _bytes(_joined(deletions, "*", counts, "\r\n", verb, keys, pc.binary_join(members, "")))

    def _scores(self, batch: pa.RecordBatch) -> pa.Array:
        scores = batch.column("score")
        if pc.any(pc.is_nan(scores)).as_py():
            raise DataError(
                f"{self.name}: a score is NaN, which Redis does not order", hint="Export it with --redis-type list."
            )
        return scores.cast(pa.string())


def _bulk(texts: pa.Array) -> pa.Array:
    """Strings as Redis wants them: their number of bytes, then themselves."""
    return _joined("$", pc.binary_length(texts).cast(pa.string()), "\r\n", texts, "\r\n")


def _json_text(column: pa.Array) -> pa.Array:
    """The values of a column as JSON."""
    if pa.types.is_string(column.type):
        encoded = column.dictionary_encode()
        words = pa.array([json.dumps(word, ensure_ascii=False) for word in encoded.dictionary.to_pylist()], pa.string())
        texts = words.take(encoded.indices)
    else:
        # Arrow writes the fewest digits that give the same float32 back.
        texts = column.cast(pa.string())
        if pa.types.is_floating(column.type):
            texts = pc.if_else(pc.is_finite(column), texts, None)
    return texts.fill_null("null")


def _joined(*pieces: pa.Array | str) -> pa.Array:
    """Texts one after the other, row by row."""
    return pc.binary_join_element_wise(*pieces, "")


def _bytes(texts: pa.Array) -> bytes:
    """Texts one after the other, down the rows."""
    whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return cast("bytes", pc.binary_join(whole, "")[0].as_buffer().to_pybytes())
