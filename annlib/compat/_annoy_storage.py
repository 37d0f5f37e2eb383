"""Index files, annlib's and Annoy's, behind Annoy's ``load`` and ``save``."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from annlib.compat._annoy_file import AnnoyFile, open_annoy_file
from annlib.compat._annoy_items import IndexItems, Items
from annlib.compat._annoy_search import METRICS, NearestItems
from annlib.errors import IndexFileError
from annlib.index import Index

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

#: What every annlib index file begins with; in a file of Annoy's, the first four bytes are 0 or 1.
_MAGIC = b"\x89ANN\r\n\x1a\n"
_TREES = "annoy_trees"
_READ_BYTES = 1 << 20


class Opened(NamedTuple):
    """What a file has."""

    items: Items
    nearest: NearestItems | None
    """None with a file of Annoy's, which is no index yet."""
    n_trees: int | None
    """None with a file of Annoy's, where they are yet to be counted."""


@contextmanager
def errors_as_annoy(action: str, path: str) -> Iterator[None]:
    """Let OSErrors begin as Annoy's do (``Unable to open: ...``), and make damage to an index file one of them."""
    try:
        yield
    except IndexFileError as error:
        raise OSError(str(error)) from error
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, f"{action}: {error.strerror} ({error.errno})", path) from error


def open_items(path: str, dim: int, metric: str) -> Opened:
    """Open an index file of annlib's, or a file of Annoy's, which bears no mark.

    Raises
    ------
    OSError
        The file cannot be read, or is neither, or of other dimensions or another metric.
    IndexFileError
        The file is a damaged index of annlib's.
    """
    with Path(path).open("rb", buffering=0) as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            return _open_index(path, dim, metric)
        return Opened(open_annoy_file(file, path, dim, metric), None, None)


def _open_index(path: str, dim: int, metric: str) -> Opened:
    index = Index.open(path)
    if index.metric != METRICS[metric] or index.dim != dim:
        raise OSError(
            f"{path}: expected an index of f={dim} and metric={metric!r} (annlib's {METRICS[metric]!r}), "
            f"got one of f={index.dim} and annlib's {index.metric!r}"
        )
    ids = _ascending_ids(index, path)
    n_trees = index.metadata.get(_TREES)
    return Opened(IndexItems(index, ids), NearestItems(index, ids, metric), n_trees if isinstance(n_trees, int) else 1)


def _ascending_ids(index: Index, path: str) -> NDArray[np.int64] | None:
    id_type = index.info["id_type"]
    if id_type == "rows" or len(index) == 0:
        return None
    if id_type != "integers" or index.ids[0] < 0 or not (index.ids[1:] > index.ids[:-1]).all():
        raise OSError(f"{path}: expected ids from 0 up in ascending order, as Annoy's are, got others")
    return index.ids


def build_index(
    vectors: NDArray[np.generic] | Iterator[NDArray[np.float32]],
    ids: NDArray[np.int64] | None,
    metric: str,
    *,
    path: str | None,
    n_trees: int,
    num_threads: int = 0,
) -> Index:
    """Build the index of items in the order of their ids; with ``path``, there."""
    return Index.build(
        vectors, metric=METRICS[metric], ids=ids, path=path, metadata={_TREES: n_trees}, num_threads=num_threads
    )


def index_annoy_file(file: AnnoyFile, metric: str) -> NearestItems:
    """Make the items of a file of Annoy's searchable, in memory.

    Raises
    ------
    OSError
        A vector of the file is not finite.
    """
    try:
        index = build_index(file.vectors(), file.ids, metric, path=None, n_trees=file.n_trees)
    except ValueError as error:
        raise OSError(f"{file.path}: cannot be searched: {error}") from error
    return NearestItems(index, file.ids, metric)


def write_index(index: Index, path: str) -> bool:
    """Write an index to a file, or through to what is there and no file, as a device; return whether to a file."""
    if not Path(path).exists() or Path(path).is_file():
        index.save(path)
        return True
    with Path(path).open("wb") as target, tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "index.ann")
        index.save(whole)
        with whole.open("rb") as source:
            shutil.copyfileobj(source, target)
    return False


def read_through(path: str) -> None:
    """Read a file once, so that its pages are in memory."""
    buffer = bytearray(_READ_BYTES)
    with Path(path).open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
