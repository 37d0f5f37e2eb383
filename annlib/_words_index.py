"""The index of a file of word vectors: built by the first call, and kept beside it."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annlib.commands.errors import CommandError
from annlib.index import Index

if TYPE_CHECKING:
    import os

__all__ = ["open_words"]

_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
#: Where the metadata of the index have the size and the time of the vectors' file.
_STAMP = "words_of"


def open_words(file: str | os.PathLike[str], index_path: str | os.PathLike[str] | None = None) -> Index:
    """Open the cosine index of a file of word vectors; build it where it is missing or out of date.

    The index keeps the size and the time of modification that the file had. Where either is another now, be it older
    (a file unpacked or moved there), the index is built again. Of a word that a file has twice the first vector counts.

    Parameters
    ----------
    file
        Any file that :func:`annlib.vectors.open_vectors` reads and that has words, or an index (``.ann``), which is
        opened as it is.
    index_path
        Where the index is kept; beside the vectors, as ``FILE.cosine.ann``, where not given.

    Raises
    ------
    CommandError
        The vectors have no words; the index was not built here; or its folder cannot be written.
    AnnlibError
        The vectors cannot be read, or the index is damaged.
    OSError
        The file cannot be read.
    """
    source = Path(file)
    if source.suffix == ".ann":
        return Index.open(source)
    kept = Path(f"{source}.cosine.ann" if index_path is None else index_path)
    status = source.stat()
    stamp = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
    if kept.exists():
        index = Index.open(kept)
        kept_stamp = index.metadata.get(_STAMP)
        if kept_stamp == stamp:
            return index
        if kept_stamp is None:
            raise CommandError(
                f"{kept}: expected an index that `annlib words` built, got another",
                "Move it away, or name another place with --index PATH.",
            )
    print(f"annlib: building {kept} (once, until {source.name} changes)", file=sys.stderr)
    return _build(source, kept, {_STAMP: stamp})


def _build(file: Path, kept: Path, metadata: dict[str, Any]) -> Index:
    from annlib.vectors import build_index, open_vectors  # not needed, nor waited for, once there is an index

    source = open_vectors(file)
    first = next(source.blocks(), None)
    if first is None or not isinstance(first.ids, list):
        raise CommandError(f"{file}: expected vectors with words, got {source.format} without", "See `annlib search`.")
    try:
        return build_index(source, kept, metric="cosine", duplicates="first", metadata=metadata)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        raise CommandError(
            f"{kept}: the index cannot be written there ({error.strerror})", "Name another place with --index PATH."
        ) from error
