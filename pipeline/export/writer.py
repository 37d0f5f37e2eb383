"""What every format of an export does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


class ExportWriter(ABC):
    """Writes the rows of one table to one file.

    The rows come in groups. What was committed survives a kill; what was not is as if it had never been written.

    Attributes
    ----------
    path
        The file, under its temporary name.
    name
        Name of the table.
    schema
        Its columns: the key, ``item_id``, ``score``, ``rank``, ``relevance``, ``source``.
    """

    def __init__(self, path: Path, name: str, schema: pa.Schema) -> None:
        self.path = path
        self.name = name
        self.schema = schema

    @abstractmethod
    def start(self) -> None:
        """Begin a new file."""

    @abstractmethod
    def resume(self, rows: int, nbytes: int) -> int:
        """Open what a killed export left, and undo what it had not committed.

        Parameters
        ----------
        rows, nbytes
            What :meth:`commit` last returned, so far as it is known.

        Returns
        -------
        The rows that are there.

        Raises
        ------
        OutputError
            If it cannot be gone on with.
        """

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""

    @abstractmethod
    def commit(self) -> int:
        """Make what was written last; returns the bytes of the file."""

    @abstractmethod
    def finish(self) -> None:
        """Complete the file, and close it."""

    @abstractmethod
    def close(self) -> None:
        """Close the file, whatever is in it; does nothing once it is closed."""

    def leftovers(self) -> list[Path]:
        """Files beside the temporary one that must not outlive it."""
        return []
