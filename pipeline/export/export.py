"""An export: a published table to a file of another format, or to standard output."""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipeline.errors import ConfigError, OutputError, StoreError
from pipeline.export.lines import CsvWriter, JsonLinesWriter, LineWriter, RedisType, RedisWriter
from pipeline.export.sqlite import SqliteWriter
from pipeline.progress import Progress, no_progress
from pipeline.store import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.export.source import PublishedTable
    from pipeline.export.writer import ExportWriter

#: Raised whenever a format writes something else than before: an export begun by another version starts over.
VERSION = 1


class ExportFormat(StrEnum):
    """The formats a table can be exported to."""

    DUCKDB = "duckdb"
    CSV = "csv"
    JSONL = "jsonl"
    SQLITE = "sqlite"
    REDIS = "redis-protocol"


_LINES: dict[ExportFormat, type[LineWriter]] = {
    ExportFormat.CSV: CsvWriter,
    ExportFormat.JSONL: JsonLinesWriter,
    ExportFormat.REDIS: RedisWriter,
}


@dataclass(frozen=True)
class RedisOptions:
    """How lists are stored in Redis; see :class:`~pipeline.export.lines.RedisWriter`."""

    prefix: str | None = None
    type: RedisType = RedisType.ZSET


@dataclass(frozen=True)
class Export:
    """What was exported.

    Attributes
    ----------
    output
        Path of the file; None for standard output.
    rows, resumed_rows
        Rows of the file, and those among them that an earlier, killed export had written.
    bytes
        Size of the file; None for standard output.
    seconds
        Time taken.
    """

    table: str
    format: str
    output: str | None
    rows: int
    resumed_rows: int
    bytes: int | None
    seconds: float


def default_output(table: str, to: ExportFormat) -> Path:
    """The file that a table is exported to where none is named: in the working directory."""
    return Path(f"{table}.{'redis' if to is ExportFormat.REDIS else to.value}")


def export_to_file(
    table: PublishedTable,
    to: ExportFormat,
    output: Path,
    *,
    overwrite: bool = False,
    redis: RedisOptions | None = None,
    progress: Progress = no_progress,
) -> Export:
    """Export a table to a file, which appears under its name when it is complete, and not before.

    Until then it is ``.NAME.partial`` beside it, with ``.NAME.partial.json``, which says what of it is done. The same
    call after a kill goes on from the last whole group of rows; a call for another table, run or format starts over.

    Parameters
    ----------
    table
        The table.
    to
        The format.
    output
        The file; of CSV, JSON Lines and Redis commands compressed where it ends in ``.gz``.
    overwrite
        Whether to replace a file that is there.
    redis
        How lists are stored in Redis.

    Raises
    ------
    OutputError
        If the file cannot be written, is there already, or another process exports to it.
    StoreError
        If the rows read are not those of the manifest.
    ConfigError
        If the format needs a package that is not installed.
    """
    started = time.perf_counter()
    if output.exists() and (output.is_dir() or not overwrite):
        what = "is a folder" if output.is_dir() else "is there already"
        raise OutputError(f"{output} {what}", hint="Name another --output, or give --overwrite to replace a file.")
    partial = output.with_name(f".{output.name}.partial")
    writer = _file_writer(to, partial, table, redis or RedisOptions(), compressed=output.suffix == ".gz")
    identity = {
        "version": VERSION,
        "table": table.name,
        "fingerprint": table.fingerprint,
        "format": to.value,
        "redis": [redis.prefix, redis.type.value] if redis and to is ExportFormat.REDIS else None,
    }
    with _clear_errors(output), _Checkpoint(output, identity) as checkpoint:
        try:
            resumed = _begin(writer, checkpoint, table)
            _write_rest(writer, checkpoint, table, resumed, progress)
            writer.finish()
        finally:
            writer.close()
        sync(partial)
        nbytes = partial.stat().st_size
        partial.replace(output)
        sync(output.parent)
        for leftover in writer.leftovers():
            leftover.unlink(missing_ok=True)
        checkpoint.remove()
    seconds = round(time.perf_counter() - started, 3)
    return Export(table.name, to.value, str(output), table.rows, resumed, nbytes, seconds)


def export_to_stream(
    table: PublishedTable,
    to: ExportFormat,
    stream: IO[bytes],
    *,
    redis: RedisOptions | None = None,
    progress: Progress = no_progress,
) -> Export:
    """Export a table to a stream of bytes, which is closed at the end.

    Raises
    ------
    ConfigError
        If the format is a database, which is a file.
    OutputError
        If the stream takes no more.
    StoreError
        If the rows read are not those of the manifest.
    """
    started = time.perf_counter()
    if to not in _LINES:
        raise ConfigError(f"{to.value} is a file: it cannot be written to standard output", hint="Name an --output.")
    writer = _line_writer(to, Path("-"), table, redis or RedisOptions(), compressed=False, stream=stream)
    with _clear_errors(Path("standard output")):
        try:
            writer.start()
            _write_rest(writer, None, table, 0, progress)
            writer.finish()
        finally:
            with contextlib.suppress(BrokenPipeError):  # said already
                writer.close()
    return Export(table.name, to.value, None, table.rows, 0, None, round(time.perf_counter() - started, 3))


def _begin(writer: ExportWriter, checkpoint: _Checkpoint, table: PublishedTable) -> int:
    """Go on where an export of the same stopped, or start over; returns the rows that are there."""
    boundaries = {0}
    for group in table.groups:
        boundaries.add(max(boundaries) + group.rows)
    if checkpoint.is_same and writer.path.exists():
        # Killed before its first commit, or cut short by a power failure, it is no file of its format: start over.
        with contextlib.suppress(OutputError):
            rows = writer.resume(checkpoint.rows, checkpoint.nbytes)
            if rows in boundaries:
                return rows
        writer.close()
    # Before it is said to be of this table: what an export of another left must never be gone on with.
    for path in (writer.path, *writer.leftovers()):
        path.unlink(missing_ok=True)
    checkpoint.save(0, 0)
    writer.start()
    return 0


def _write_rest(
    writer: ExportWriter, checkpoint: _Checkpoint | None, table: PublishedTable, done: int, progress: Progress
) -> None:
    written = 0
    for group in table.groups:
        if written + group.rows <= done:
            written += group.rows
            continue
        for batch in group.batches():
            writer.write(batch)
            written += batch.num_rows
            progress(written / max(table.rows, 1), f"{written:,} of {table.rows:,} rows")
        nbytes = writer.commit()
        if checkpoint is not None:
            checkpoint.save(written, nbytes)
    if written != table.rows:
        raise StoreError(
            f"{table.name}: expected {table.rows:,} rows by its manifest, got {written:,}",
            hint="Its files were altered: delete the folder of the table and run again.",
        )


def _file_writer(
    to: ExportFormat, path: Path, table: PublishedTable, redis: RedisOptions, *, compressed: bool
) -> ExportWriter:
    if to is ExportFormat.SQLITE:
        return SqliteWriter(path, table.name, table.schema)
    if to is ExportFormat.DUCKDB:
        from pipeline.export.duckdb import DuckdbWriter

        return DuckdbWriter(path, table.name, table.schema)
    return _line_writer(to, path, table, redis, compressed=compressed)


def _line_writer(
    to: ExportFormat,
    path: Path,
    table: PublishedTable,
    redis: RedisOptions,
    *,
    compressed: bool,
    stream: IO[bytes] | None = None,
) -> LineWriter:
    if to is ExportFormat.REDIS:
        return RedisWriter(
            path,
            table.name,
            table.schema,
            compressed=compressed,
            stream=stream,
            prefix=redis.prefix,
            redis_type=redis.type,
        )
    return _LINES[to](path, table.name, table.schema, compressed=compressed, stream=stream)


class _Checkpoint:
    """How far an export is, in a file beside its output, which one process holds at a time; a context manager."""

    def __init__(self, output: Path, identity: dict[str, Any]) -> None:
        self._output = output
        self._path = output.with_name(f".{output.name}.partial.json")
        self._identity = identity
        self._file: IO[str] | None = None
        self.is_same = False
        self.rows = 0
        self.nbytes = 0

    def __enter__(self) -> _Checkpoint:
        self._file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise OutputError(f"another process exports to {self._output}", hint="Wait for it to end.") from None
        self._read()
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def save(self, rows: int, nbytes: int) -> None:
        """Remember what was committed. Half-written, it is as good as none: the export starts over."""
        assert self._file is not None  # noqa: S101 - inside the block
        self._file.seek(0)
        self._file.truncate()
        json.dump({**self._identity, "rows": rows, "bytes": nbytes}, self._file)
        self._file.flush()

    def remove(self) -> None:
        self._path.unlink()

    def _read(self) -> None:
        assert self._file is not None  # noqa: S101 - inside the block
        self._file.seek(0)
        try:
            saved = json.loads(self._file.read())
        except ValueError:
            return
        if isinstance(saved, dict):
            self.rows, self.nbytes = saved.pop("rows", 0), saved.pop("bytes", 0)
            self.is_same = saved == self._identity


@contextlib.contextmanager
def _clear_errors(output: Path) -> Iterator[None]:
    """Turn what the operating system says about a path into the pipeline's error."""
    try:
        yield
    except BrokenPipeError:
        raise  # a reader that has seen enough
    except OSError as error:
        raise OutputError.of(output, error.strerror or str(error)) from error
