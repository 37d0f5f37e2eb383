"""DuckDB: a database with one table. Needs the extra ``duckdb``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from pipeline.errors import ConfigError, OutputError
from pipeline.export.database import DatabaseWriter, quoted

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

#: What DuckDB may take of what it buffers; by default it would be most of the machine's.
_MEMORY: Final = "512MB"
_TYPES: Final = {pa.int64(): "BIGINT", pa.int32(): "INTEGER", pa.float32(): "REAL", pa.string(): "VARCHAR"}


class DuckdbWriter(DatabaseWriter):
    """One transaction for each group of rows, so that a killed export goes on from the last.

    The rows stand in the order of the key, which DuckDB's zone maps make use of; there is no index.
    """

    def __init__(self, path: Path, name: str, schema: pa.Schema) -> None:
        super().__init__(path, name, schema)
        try:
            import duckdb
        except ImportError:
            raise ConfigError("exporting to duckdb needs duckdb", hint="pip install 'cfpipe[duckdb]'") from None
        self._duckdb = duckdb
        self._connection: duckdb.DuckDBPyConnection | None = None

    def start(self) -> None:
        """Begin a new file."""
        for path in (self.path, *self.leftovers()):
            path.unlink(missing_ok=True)
        columns = ", ".join(
            f"{quoted(field.name)} {_TYPES[field.type]}{'' if field.nullable else ' NOT NULL'}" for field in self.schema
        )
        self.execute(f"CREATE TABLE {quoted(self.name)} ({columns})")
        self.execute("BEGIN")

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        self._opened().register("batch", pa.Table.from_batches([batch]))
        self.execute(f"INSERT INTO {quoted(self.name)} SELECT * FROM batch")  # noqa: S608
        self._opened().unregister("batch")

    def finish(self) -> None:
        """Complete the file, and close it."""
        self.execute("COMMIT")
        self.execute("CHECKPOINT")
        self.close()

    def leftovers(self) -> list[Path]:
        """Files of the database's own beside it."""
        return [self.path.with_name(f"{self.path.name}.wal")]

    def execute(self, statement: str) -> int:
        """Run a statement; returns the one number that comes of it, 0 where there is none."""
        try:
            result = self._opened().execute(statement).fetchone()
        except self._duckdb.Error as error:
            raise OutputError.of(self.path, str(error).splitlines()[0]) from error
        return int(result[0]) if result and isinstance(result[0], int) else 0

    def _opened(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            try:
                self._connection = self._duckdb.connect(str(self.path), config={"memory_limit": _MEMORY})
            except self._duckdb.Error as error:
                raise OutputError.of(self.path, str(error).splitlines()[0]) from error
        return self._connection
