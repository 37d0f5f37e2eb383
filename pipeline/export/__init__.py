"""Published tables for loaders that do not read Parquet.

One module reads a table (:mod:`~pipeline.export.source`), one writes each format, and
:mod:`~pipeline.export.export` brings them together: counted, resumable, and complete under the final name or not there.

Memory does not grow with the table: 65,536 rows are held at a time, which takes less than 100 MiB beside the
interpreter and its libraries, and with DuckDB less than 200 MiB.
"""
