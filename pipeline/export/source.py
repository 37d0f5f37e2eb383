"""A published table as it is read for an export: batch by batch, in the order of its rows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.errors import StoreError, UnknownNameError
from pipeline.tables.reading import RowGroup, row_groups, schema_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from pipeline.published import PublishedRun


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
        """The columns in long form, in which a nested table is exported too."""
        return schema_of(self._parts()[0])

    @cached_property
    def groups(self) -> list[RowGroup]:
        """The rows, in order, in parts that are exported or not as one."""
        return [group for group in row_groups(self._parts()) if group.rows]

    def _parts(self) -> list[Path]:
        parts = [self._folder / file["name"] for file in self._manifest["files"]]
        for part in parts:
            if not part.is_file():
                raise StoreError(f"{part} is gone", hint="Run again, or roll back: cfpipe status CONFIG.")
        return parts
