"""Where rows come from: the source of a path, by its format.

A further format is one more :class:`~pipeline.data.source.Source`, a line in :func:`open_source`, and its ending in
:mod:`pipeline.data.files`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.data import sample
from pipeline.data.files import FileStamp, choose_format, expand_date, find_files
from pipeline.data.matrix_source import MatrixSource
from pipeline.data.parquet_source import ParquetSource
from pipeline.data.source import Batch, FileSettings, Source, require_columns, typed_columns
from pipeline.data.text_source import TextSource

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from pipeline.data.conditions import Condition


def open_source(settings: FileSettings, *, date: datetime.date) -> Source:
    """Open an input; nothing is read yet, and what is not there is not an error yet.

    Raises
    ------
    ConfigError
        If the path has braces that are not a date, the sample is unknown, or the format cannot be told.
    """
    path = expand_date(settings.path, date)
    if path.startswith(sample.SCHEME):
        return SampleSource(path)
    files = find_files(path)
    file_format = settings.format
    if file_format == "auto":
        file_format = choose_format(files, path) if files else "parquet"
    if file_format == "parquet":
        return ParquetSource(path, files)
    if file_format == "npz":
        return MatrixSource(path, files)
    return TextSource(path, files, delimiter="\t" if file_format == "tsv" else ",")


class SampleSource(Source):
    """One table of the built-in sample."""

    text = False

    def __init__(self, path: str) -> None:
        super().__init__(path)
        sample.require(path)

    def stamps(self) -> list[FileStamp]:
        """One stamp, which changes with the generator."""
        return [FileStamp(self.path, sample.VERSION, 0)]

    @property
    def schema(self) -> pa.Schema:
        """Columns of the table."""
        return sample.table(self.path).schema

    def estimated_rows(self) -> int:
        """Exactly how many rows there are."""
        return int(sample.table(self.path).num_rows)

    def batches(self, columns: Sequence[str], condition: Condition | None = None) -> Iterator[Batch]:
        """Give the columns of the table."""
        table = sample.table(self.path)
        require_columns([*columns, *(condition.columns if condition else ())], table.column_names, self.path)
        self.rows_seen = table.num_rows
        if condition is not None:
            table = table.filter(condition.expression(typed_columns(table.schema)))
        for rows in table.select(list(dict.fromkeys(columns))).to_batches():
            yield Batch(self.path, rows)
