"""What the formats share that are databases of one table."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from pipeline.export.writer import ExportWriter


class _Connection(Protocol):
    def close(self) -> None: ...


class DatabaseWriter(ExportWriter):
    """One transaction for each group of rows, so that a killed export goes on from the last."""

    #: Opened when it is first needed.
    _connection: _Connection | None = None

    @abstractmethod
    def execute(self, statement: str) -> int:
        """Run a statement; returns the one number that comes of it, 0 where there is none."""

    def resume(self, rows: int, nbytes: int) -> int:
        """Open what a killed export left; returns the rows that are there."""
        count = self.execute(f"SELECT count(*) FROM {quoted(self.name)}")  # noqa: S608
        self.execute("BEGIN")
        return count

    def commit(self) -> int:
        """Make what was written last; returns the bytes of the file."""
        self.execute("COMMIT")
        self.execute("BEGIN")
        return self.path.stat().st_size

    def finish(self) -> None:
        """Complete the file, and close it."""
        self.execute("COMMIT")
        self.close()

    def close(self) -> None:
        """Close the file, whatever is in it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'
