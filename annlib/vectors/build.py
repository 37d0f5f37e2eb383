"""An index from a source of vectors, streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from annlib.index import Index

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from annlib.metric import Metric
    from annlib.vectors.base import VectorSource

__all__ = ["build_index"]


def build_index(
    source: VectorSource,
    path: str | os.PathLike[str],
    *,
    metric: Metric,
    ids: Sequence[str] | ArrayLike | None = None,
    names: Sequence[str] | None = None,
    duplicates: Literal["error", "first"] = "error",
    calibration_queries: ArrayLike | None = None,
    metadata: Mapping[str, Any] | None = None,
    num_threads: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Index:
    """Build an index file from a source, block by block: the vectors are never in memory at once.

    Parameters
    ----------
    source
        As of :func:`annlib.vectors.open_vectors`. Its words or id column become the ids of the index.
    path
        Where to write the index.
    ids
        Ids to use instead of the source's.
    metric, names, calibration_queries, metadata, num_threads
        As of :meth:`annlib.Index.build`.
    duplicates
        Where the source has an id twice: ``"error"``, or ``"first"`` to leave out all but its first vector.
    progress
        Called after each block with the number of vectors read so far.

    Raises
    ------
    VectorFileError
        The file is not what its format says, or has an id twice.
    TypeError, ValueError
        An argument is not as :meth:`annlib.Index.build` expects it.
    OSError
        The source cannot be read, or ``path`` cannot be written.
    """
    if duplicates not in ("error", "first"):
        raise ValueError(f"duplicates: expected error or first, got {duplicates!r}")
    own_ids: list[str | int] | None = [] if source.has_ids and ids is None else None
    if duplicates == "first" and own_ids is not None and names is not None:
        raise ValueError("names: expected none with duplicates='first', which leaves vectors out")
    try:
        return Index.build(
            _stream(source, own_ids, duplicates == "first", progress),
            metric=metric,
            ids=ids if own_ids is None else own_ids,
            names=names,
            calibration_queries=calibration_queries,
            path=path,
            metadata=metadata,
            num_threads=num_threads,
        )
    except ValueError:
        twice = None if own_ids is None else _first_duplicate(own_ids)
        if own_ids is None or twice is None:
            raise
        raise source.error_at_row(
            twice[1],
            f"expected each id once, got {own_ids[twice[1]]!r} again, which is that of {source.place(twice[0])}",
            advice="Make the ids unique, or keep the first vector of each (--duplicates first).",
        ) from None


def _stream(
    source: VectorSource,
    ids: list[str | int] | None,
    first_only: bool,
    progress: Callable[[int], None] | None,
) -> Iterator[NDArray[np.float32]]:
    """Give the vectors of a source, and gather its ids as they come."""
    seen: set[str | int] = set()
    done = 0
    for block in source.blocks():
        vectors = block.vectors
        if ids is not None and block.ids is not None:
            new: Sequence[str | int] = block.ids if isinstance(block.ids, list) else block.ids.tolist()
            if first_only:
                kept = _unseen(new, seen)
                if len(kept) < len(new):
                    vectors, new = vectors[kept], [new[i] for i in kept]
            ids.extend(new)
        yield vectors
        done += len(block.vectors)
        if progress is not None:
            progress(done)
    if done == 0:
        yield np.empty((0, source.dim), dtype=np.float32)


def _unseen(ids: Sequence[str | int], seen: set[str | int]) -> list[int]:
    """Return the positions of ids that are met for the first time, and remember them."""
    kept = []
    for i, item_id in enumerate(ids):
        if item_id not in seen:
            seen.add(item_id)
            kept.append(i)
    return kept


def _first_duplicate(ids: Sequence[str | int]) -> tuple[int, int] | None:
    rows: dict[str | int, int] = {}
    for row, item_id in enumerate(ids):
        if item_id in rows:
            return rows[item_id], row
        rows[item_id] = row
    return None
