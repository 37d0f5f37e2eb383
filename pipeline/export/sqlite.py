"""SQLite: a database with one table, whose primary key is the key's column and the rank."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.errors import OutputError
from pipeline.export.database import DatabaseWriter, quoted

if TYPE_CHECKING:
    from pathlib import Path


class SqliteWriter(DatabaseWriter):
    """One transaction for each group of rows, so that a killed export goes on from the last.

    The rows are kept in the order of the primary key (``WITHOUT ROWID``): a list is read in one place, and no second
    index takes room. NaN is null.
    """

    _connection: sqlite3.Connection | None = None

    def start(self) -> None:
        """Begin a new file."""
        self.path.unlink(missing_ok=True)
        columns = ", ".join(f"{quoted(field.name)} {_type(field)}" for field in self.schema)
        primary_key = f"PRIMARY KEY ({quoted(self.schema.names[0])}, {quoted('rank')})"
        self.execute(f"CREATE TABLE {quoted(self.name)} ({columns}, {primary_key}) WITHOUT ROWID")
        self.execute("BEGIN")

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        places = ", ".join("?" * len(self.schema))
        rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        try:
            self._opened().executemany(f"INSERT INTO {quoted(self.name)} VALUES ({places})", rows)  # noqa: S608
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def leftovers(self) -> list[Path]:
        """Files of the database's own beside it."""
        return [self.path.with_name(f"{self.path.name}-journal")]

    def execute(self, statement: str) -> int:
        """Run a statement; returns the one number that comes of it, 0 where there is none."""
        try:
            with closing(self._opened().execute(statement)) as cursor:
                (number,) = cursor.fetchone() or (0,)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return int(number)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = sqlite3.connect(self.path, isolation_level=None)
            except sqlite3.Error as error:
                raise self._failed(error) from error
        return self._connection

    def _failed(self, error: sqlite3.Error) -> OutputError:
        return OutputError.of(self.path, str(error))


def _type(field: pa.Field) -> str:
    kind = "INTEGER" if pa.types.is_integer(field.type) else "REAL" if pa.types.is_floating(field.type) else "TEXT"
    return kind if field.nullable else f"{kind} NOT NULL"
