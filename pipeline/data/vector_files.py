"""The files that hold an entity type's vectors, whatever their format."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from annlib.vectors import VectorFileError, VectorSource, open_vectors
from pipeline.data.files import FileStamp, InputFile, expand_date, find_files, require_files
from pipeline.data.ids import STRING
from pipeline.errors import ConfigError, DataError, MissingInputError

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.config import VectorsSettings

#: Bytes of a number in a gzip file of text, about: plain text takes three times as many, so an estimate errs upwards.
_TEXT_BYTES = 3


class IdentifiedVectors(NamedTuple):
    """Some vectors, finite float32 ``(b, d)``, and their ids, int64 or string."""

    vectors: NDArray[np.float32]
    ids: pa.Array


class VectorFiles:
    """One or more files of vectors of the same dimensions.

    Attributes
    ----------
    path
        The path as configured, with the date put in, for messages.
    """

    def __init__(self, settings: VectorsSettings, *, date: datetime.date) -> None:
        self.path = expand_date(settings.path, date)
        self._settings = settings
        self._files = find_files(self.path)

    def stamps(self) -> list[FileStamp]:
        """One for each file."""
        return [stamp for file in self._files if (stamp := file.stamp()) is not None]

    def shape(self) -> tuple[int, int]:
        """How many vectors there are, roughly where only reading tells, and their dimensions.

        Raises
        ------
        MissingInputError, ConfigError, DataError
            As of :meth:`blocks`.
        """
        sources = self._open()
        counts = [_expected_count(source, file) for source, file in zip(sources, self._files, strict=True)]
        return sum(counts), sources[0].dim

    def blocks(self) -> Iterator[IdentifiedVectors]:
        """Read all vectors, in the order of the files and in each file; where there are no ids, they are numbered.

        Raises
        ------
        MissingInputError
            If there is no file.
        ConfigError
            If the format cannot be told, or a setting does not fit it.
        DataError
            If a file is not what its format says, or the files differ in dimensions.
        """
        n_read = 0
        for source, file in zip(self._open(), self._files, strict=True):
            with _reading(file.path):
                for block in source.blocks():
                    rows = range(n_read, n_read + len(block.vectors))
                    yield IdentifiedVectors(block.vectors, _ids_of(rows, block.ids))
                    n_read = rows.stop

    def _open(self) -> list[VectorSource]:
        require_files(self._files, self.path)
        sources = [self._open_file(file) for file in self._files]
        for source, file in zip(sources, self._files, strict=True):
            if source.dim != sources[0].dim:
                raise DataError(
                    f"{file.path}: expected {sources[0].dim} dimensions, as {self._files[0].path} has, got {source.dim}"
                )
        return sources

    def _open_file(self, file: InputFile) -> VectorSource:
        settings = self._settings
        with _reading(file.path):
            return open_vectors(
                file.path,
                format=None if settings.format == "auto" else settings.format,
                id_column=settings.id_column,
                vector_column=settings.vector_column,
                dataset=settings.dataset,
            )


def _ids_of(rows: range, ids: list[str] | NDArray[np.int64] | None) -> pa.Array:
    if ids is None:
        return pa.array(np.arange(rows.start, rows.stop))
    return pa.array(ids, STRING) if isinstance(ids, list) else pa.array(ids)


def _expected_count(source: VectorSource, file: InputFile) -> int:
    if source.count is not None:
        return source.count
    return file.path.stat().st_size // (_TEXT_BYTES * source.dim)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Make annlib's errors the pipeline's."""
    try:
        yield
    except FileNotFoundError:
        raise MissingInputError(f"{path}: gone while it was read") from None
    except VectorFileError as error:
        raise DataError(str(error), hint=error.advice) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, ImportError) as error:
        raise ConfigError(f"{path}: {error}", hint="Check the settings of the vectors.") from None
