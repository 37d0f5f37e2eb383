"""A published table as it is read for an export: batch by batch, in the order of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.published import PublishedRun

#: Rows that are in memory at once, in one form or another.
BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class RowGroup:
    """Rows that are exported, or not, as one.

    Attributes
    ----------
    path
        The Parquet file they are in.
    number
        Their row group in it.
    rows
        How many there are.
    """

    path: Path
    number: int
    rows: int


class PublishedTable:
    """A table of a published run.

    Parameters
    ----------
    run
        The run.
    name
        Name of the table.

    Raises
    ------
    UnknownNameError
        If the run has no such table.
    StoreError
        If the files are not those that the manifest speaks of.
    """

    def __init__(self, run: PublishedRun, name: str) -> None:
        if name not in run.tables:
            known = ", ".join(sorted(run.tables))
            raise UnknownNameError(
                f"the run of {run.date} has no table {name!r}", hint=f"Its tables are {known}: name one of them."
            )
        self.name = name
        self._folder = run.tables[name]
        self._manifest = run.manifest(name)
        #: Rows in all, by the manifest.
        self.rows: int = self._manifest["rows"]
        counted = sum(group.rows for group in self.groups)
        if counted != self.rows:
            raise StoreError(
                f"{self._folder}: expected {self.rows:,} rows by its manifest, got {counted:,}",
                hint="Its files were altered: delete the folder and run again.",
            )

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides the rows."""
        return str(self._manifest["fingerprints"]["table"])

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns."""
        with pq.ParquetFile(self.groups[0].path if self.groups else self._parts()[0]) as file:
            return file.schema_arrow.remove_metadata()

    @cached_property
    def groups(self) -> list[RowGroup]:
        """The rows, in order."""
        found = []
        for path in self._parts():
            with pq.ParquetFile(path) as file:
                metadata = file.metadata
                found += [
                    RowGroup(path, number, metadata.row_group(number).num_rows)
                    for number in range(metadata.num_row_groups)
                ]
        return [group for group in found if group.rows]

    def batches(self, group: RowGroup) -> Iterator[pa.RecordBatch]:
        """The rows of a group, :data:`BATCH_ROWS` at a time."""
        with pq.ParquetFile(group.path) as file:
            yield from file.iter_batches(BATCH_ROWS, row_groups=[group.number], use_threads=False)

    def _parts(self) -> list[Path]:
        parts = [self._folder / file["name"] for file in self._manifest["files"]]
        for part in parts:
            if not part.is_file():
                raise StoreError(f"{part} is gone", hint="Run again, or roll back: cfpipe status CONFIG.")
        return parts
