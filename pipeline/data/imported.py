"""Vectors in files to vectors on disk in the order of their sorted ids; and reading them back."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.data.attributes import read_names
from pipeline.data.files import require_unchanged
from pipeline.data.ids import IdEncoder
from pipeline.data.matrices import open_array, save_array
from pipeline.data.sources import open_source
from pipeline.data.vector_files import VectorFiles
from pipeline.data.vocabulary import Vocabulary
from pipeline.errors import DataError
from pipeline.progress import Progress, no_progress

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.config import FileEntity
    from pipeline.data.files import FileStamp

#: Raised whenever what :func:`import_vectors` writes changes, so that nothing older is taken for it.
SCHEMA_VERSION = 2

#: Bytes of vectors that are put in order at once.
BLOCK_BYTES = 16 << 20
#: How many ids are kept in the order of the file, which often begins with what is best known.
_FIRST_IDS = 10
_SHOWN_IDS = 3


def input_stamps(settings: FileEntity, date: datetime.date) -> list[list[FileStamp]]:
    """What tells whether the inputs of :func:`import_vectors` are still the same."""
    stamps = [VectorFiles(settings.vectors, date=date).stamps()]
    if settings.names is not None:
        stamps.append(open_source(settings.names, date=date).stamps())
    return stamps


def import_vectors(
    entity: str,
    settings: FileEntity,
    *,
    date: datetime.date,
    folder: Path,
    progress: Progress = no_progress,
) -> None:
    """Read the vectors of an entity type and write them by ascending id; :class:`ImportedVectors` opens them.

    The same input gives the same bytes. Vectors stream to disk, where they are put in order: memory holds a few blocks
    of them, and the ids.

    Parameters
    ----------
    entity
        Name of the entity type.
    settings
        What to read.
    date
        The date of the run, which paths may name.
    folder
        An empty folder to write into.
    progress
        Told how far it is.

    Raises
    ------
    MissingInputError
        If a file or a column is missing.
    DataError
        If an input cannot be used, has no vectors or several of one id, or changes while it is read.
    ConfigError
        If a setting does not fit the input.
    """
    stamps = input_stamps(settings, date)
    files = VectorFiles(settings.vectors, date=date)
    # A file without a name: a run that is killed leaves nothing of it.
    with tempfile.TemporaryFile(dir=folder) as unsorted:
        read = _spool(files, unsorted, progress)
        if settings.vectors.duplicates == "error":
            _check_distinct(read, files.path)
        progress(0.8, "putting the vectors in the order of their ids")
        zero_vectors = _save_in_order(folder / f"{entity}.npy", read, unsorted)
    save_array(folder / "positions.npy", _first_positions(read))
    stats: dict[str, Any] = {
        "vectors_read": len(read.rows),
        "vectors": len(read.ids),
        "dimensions": read.dim,
        "zero_vectors": zero_vectors,
    }
    names = None
    if settings.names is not None:
        progress(0.9, "reading names")
        names, stats["names"] = read_names(settings.names, read.ids, date=date)
    require_unchanged(stamps, input_stamps(settings, date))
    Vocabulary(read.ids, names).save(folder / "vocabulary.parquet")
    document = {
        "schema_version": SCHEMA_VERSION,
        "entity": entity,
        "first_ids": list(dict.fromkeys(read.ids.take(pa.array(read.rows[:_FIRST_IDS])).to_pylist())),
        "stats": stats,
    }
    (folder / "imported.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    progress(1.0, "imported")


class _Read(NamedTuple):
    """What was read beside the vectors.

    Attributes
    ----------
    ids
        Sorted and distinct.
    rows
        The row among them of the id of each vector, in the order of the file.
    dim
        Dimensions of the vectors.
    """

    ids: pa.Array
    rows: NDArray[np.int32]
    dim: int


def _spool(files: VectorFiles, unsorted: BinaryIO, progress: Progress) -> _Read:
    """Write the vectors to a file as they come, little-endian float32, and number their ids."""
    expected, dim = files.shape()
    encoder = IdEncoder(f"{files.path}: ids", text=False)
    n_read = 0
    for vectors, ids in files.blocks():
        encoder.add(ids)
        unsorted.write(np.ascontiguousarray(vectors, "<f4").data)
        n_read += len(vectors)
        progress(0.8 * min(1.0, n_read / max(expected, 1)), f"read {n_read:,} vectors")
    if not n_read:
        raise DataError(f"{files.path}: expected vectors, found none")
    unsorted.flush()
    return _Read(*encoder.finish(), dim)


def _check_distinct(read: _Read, path: str) -> None:
    if len(read.ids) == len(read.rows):
        return
    counts = np.bincount(read.rows)
    repeated = np.flatnonzero(counts > 1)
    shown = ", ".join(f"{read.ids[row].as_py()!r} ({counts[row]} times)" for row in repeated[:_SHOWN_IDS].tolist())
    more = f" and {len(repeated) - _SHOWN_IDS:,} more" if len(repeated) > _SHOWN_IDS else ""
    raise DataError(
        f"{path}: expected one vector for each id, got several for {shown}{more}",
        hint='Leave out all but one of each in the file, or set vectors.duplicates = "first".',
    )


def _save_in_order(path: Path, read: _Read, unsorted: BinaryIO) -> int:
    """Write the first vector of each id as ``.npy``, by ascending id; returns how many are zero."""
    vectors = np.memmap(unsorted, "<f4", mode="r", shape=(len(read.rows), read.dim))
    first = _first_positions(read)
    block_rows = max(1, BLOCK_BYTES // (4 * read.dim))
    zero_vectors = 0
    with path.open("xb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(first), read.dim)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(first), block_rows):
            block = np.ascontiguousarray(vectors[first[start : start + block_rows]])
            file.write(block.data)
            zero_vectors += int(np.count_nonzero(~block.any(axis=1)))
    return zero_vectors


def _first_positions(read: _Read) -> NDArray[np.int64]:
    """Where in the file the first vector of each id is."""
    return np.unique(read.rows, return_index=True)[1]


@dataclass(frozen=True)
class ImportedVectors:
    """What :func:`import_vectors` wrote into a folder; nothing is read before it is asked for."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> ImportedVectors:
        """Open a folder; FileNotFoundError if nothing was imported into it."""
        if not (folder / "imported.json").is_file():
            raise FileNotFoundError(f"{folder}: expected imported vectors, found none")
        return cls(folder)

    @cached_property
    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "imported.json").read_text(encoding="utf-8"))
        return document

    @property
    def stats(self) -> dict[str, Any]:
        """Counts of what was read, by entity type."""
        return {self._document["entity"]: self._document["stats"]}

    @property
    def first_ids(self) -> list[int | str]:
        """The first ids in the order of the file."""
        ids: list[int | str] = self._document["first_ids"]
        return ids

    @property
    def positions(self) -> NDArray[np.int64]:
        """The position in the file of each id's vector, int64, mapped; files often begin with what is best known."""
        return open_array(self.folder / "positions.npy")

    def vocabulary(self, entity: str) -> Vocabulary:
        """Ids and names of the entity type; read once."""
        if entity != self._document["entity"]:
            raise ValueError(f"unknown entity type {entity!r} in {self.folder}")
        return self._vocabulary

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary.load(self.folder / "vocabulary.parquet")
