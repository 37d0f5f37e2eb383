"""The index: build, save, open, search."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

import numpy as np

from annlib import _checks, _native
from annlib._build import write_index
from annlib._checks import CsrMatrix
from annlib.errors import AnnlibError, IndexFileError, UnknownIdError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from annlib.metric import Metric

__all__ = ["Index"]

_LARGEST_METADATA = 1 << 20


class Index:
    """Vectors and ids, searched exactly, or faster for a share of the neighbours that is asked for.

    Make one with :meth:`build` or :meth:`open`. An index never changes. It may be used from several threads at once,
    in forked processes, and, where it has a file, pickled (by its path).
    """

    def __init__(self, native: _native.Index, path: str | None) -> None:
        self._native = native
        self._path = path
        self._metric = _checks.check_metric(native.metric)
        self._metadata = _read_metadata(native, path)
        #: What the last search of this object did: seconds; the shares of all pairs of a query and an item that were
        #: scanned, that remained contenders, and that were scored by the definition; multiply-adds of the scan.
        self.last_search_stats: dict[str, float] = {}

    @classmethod
    def build(
        cls,
        vectors: ArrayLike | Iterable[ArrayLike],
        *,
        metric: Metric,
        ids: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        calibration_queries: ArrayLike | None = None,
        path: str | os.PathLike[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        seed: int = 0,
        num_threads: int = 0,
    ) -> Self:
        """Build an index.

        Parameters
        ----------
        vectors
            Real numbers, shape ``(n, d)``, ``d`` from 1 to 65535; converted to float32. With ``path``, also an
            iterable of such blocks, which are written as they come; ``ids`` and ``names`` are then read after the last
            block, so that lists may be filled while the blocks are made. NaN and infinity are refused.
        metric
            ``"cosine"`` and ``"inner_product"``: higher scores are closer. ``"euclidean"``, ``"manhattan"`` and
            ``"hamming"``: lower scores are closer.
        ids
            One integer (int64) or one string for each vector, none twice. The row numbers where not given.
        names
            One string for each vector, for display; need not be unique.
        calibration_queries
            Real numbers, shape ``(c, d)``: queries like those to come. A recall below 1 is calibrated on up to 512 of
            them (2,048 where the index is large), evenly spread, for :meth:`search`; without them, and for
            :meth:`search_ids` and :meth:`neighbors`, on as many of the items. Give them where queries are not like
            items, as users are not.
        path
            Where to write the index; it is then opened from there. Without it, the index is in memory.
        metadata
            What to keep with the index, as JSON can: :attr:`metadata` returns it. Up to 1 MiB.
        seed
            For random choices of the build. This version makes none.
        num_threads
            0: all cores. The bytes of the index do not depend on it.

        Raises
        ------
        TypeError, ValueError
            An argument is not as described; the message names it.
        OSError
            ``path`` cannot be written.
        """
        _checks.check_integer("seed", seed, 0)
        target = None if path is None else os.fspath(path)
        native = write_index(
            vectors,
            metric=_checks.check_metric(metric),
            ids=ids,
            names=names,
            calibration_queries=calibration_queries,
            path=target,
            metadata=_written_metadata({} if metadata is None else metadata),
            num_threads=_checks.check_integer("num_threads", num_threads, 0),
        )
        return cls(native, target)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open an index file in constant time: it is mapped, and shared by the processes that open it.

        An index file may be replaced (by renaming another over it) while it is open, but not changed in place.

        Raises
        ------
        IndexFileError
            The file is not an index that this version reads, or its header or sizes are damaged.
        OSError
            The file cannot be read.
        """
        target = os.fspath(path)
        return cls(_native.Index.open(os.fsencode(target)), target)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file: to a temporary name in the same folder, synced, then renamed.

        Raises
        ------
        OSError
            ``path`` cannot be written.
        """
        target = os.fspath(path)
        self._native.save(os.fsencode(target))
        if self._path is None:
            self._path = target

    def verify(self) -> None:
        """Read every byte of the index.

        Raises
        ------
        IndexFileError
            A byte is not what was written.
        """
        self._native.verify()

    def search(
        self,
        queries: ArrayLike,
        k: SupportsIndex = 10,
        *,
        recall: float = 1.0,
        exclude: CsrMatrix | Sequence[ArrayLike] | None = None,
        allow: ArrayLike | None = None,
        num_threads: int = 0,
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Find the ``k`` nearest neighbours of each query.

        Parameters
        ----------
        queries
            Real numbers, shape ``(m, d)``; converted to float32.
        k
            Neighbours for each query, at least 1.
        recall
            The share of the true neighbours to find, above 0. 1 finds all of them, with certainty; less is reached on
            average, or exceeded, over queries like those that the index was calibrated on, as long as ``exclude`` does
            not take away far more of a query's best than ``k``. Which are found may depend on the other queries of the
            call; whatever is found has its true score. Above ``k`` of 100, above .999, with ``allow``, and for metrics
            other than cosine, inner product and euclidean, every search is exact.
        exclude
            For each query, what not to return: a CSR matrix of shape ``(m, n)`` whose stored entries mark row numbers
            of the index, or ``m`` sequences of ids. Ids that are not in the index are ignored.
        allow
            What any query may return: a boolean mask of shape ``(n,)`` or a sequence of ids.
        num_threads
            0: all cores. Results do not depend on it.

        Returns
        -------
        ids : NDArray
            Shape ``(m, k)``, best first, ties by row number; int64, or object holding strings. Where there is no
            neighbour left: -1 or ``""``.
        scores : NDArray[np.float32]
            Shape ``(m, k)``, as :mod:`annlib.metric` defines them. Where there is no neighbour left: NaN.

        Raises
        ------
        TypeError, ValueError
            An argument is not as described; the message names it.
        UnknownIdError
            An id in ``allow`` is not in the index.
        """
        rows, scores = self.search_rows(
            queries, k, recall=recall, exclude=exclude, allow=allow, num_threads=num_threads
        )
        return self._ids_of(rows), scores

    def search_rows(
        self,
        queries: ArrayLike,
        k: SupportsIndex = 10,
        *,
        recall: float = 1.0,
        exclude: CsrMatrix | Sequence[ArrayLike] | None = None,
        allow: ArrayLike | None = None,
        num_threads: int = 0,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the ``k`` nearest neighbours as :meth:`search` does, but as row numbers (int64, -1 for none)."""
        converted = _checks.as_queries(queries, self.dim)
        return self._search(converted, None, k, recall, exclude, allow, num_threads)

    def search_ids(
        self,
        ids: ArrayLike,
        k: SupportsIndex = 10,
        *,
        recall: float = 1.0,
        exclude: CsrMatrix | Sequence[ArrayLike] | None = None,
        allow: ArrayLike | None = None,
        num_threads: int = 0,
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Find the neighbours of indexed items, each item itself left out.

        Parameters
        ----------
        ids
            Ids of the index, ``m`` of them.
        k, recall, exclude, allow, num_threads
            As for :meth:`search`.

        Returns
        -------
        ids, scores
            As of :meth:`search`.

        Raises
        ------
        UnknownIdError
            An id is not in the index.
        """
        rows = self.rows(ids)
        found, scores = self._search(self.vectors[rows], rows, k, recall, exclude, allow, num_threads)
        return self._ids_of(found), scores

    def neighbors(
        self,
        k: SupportsIndex = 10,
        recall: float = 1.0,
        *,
        exclude: CsrMatrix | Sequence[ArrayLike] | None = None,
        allow: ArrayLike | None = None,
        num_threads: int = 0,
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Find the neighbours of every item, itself left out: the self-join.

        Parameters and results are as of :meth:`search`, with a query for each row of the index.
        """
        rows, scores = self.neighbor_rows(k, recall, exclude=exclude, allow=allow, num_threads=num_threads)
        return self._ids_of(rows), scores

    def neighbor_rows(
        self,
        k: SupportsIndex = 10,
        recall: float = 1.0,
        *,
        rows: ArrayLike | None = None,
        exclude: CsrMatrix | Sequence[ArrayLike] | None = None,
        allow: ArrayLike | None = None,
        num_threads: int = 0,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the neighbours of items as row numbers: of every one, or of the ``m`` whose ``rows`` are given.

        Otherwise as :meth:`neighbors`; where there is no neighbour left, the row is -1.

        Raises
        ------
        IndexError
            A row is not in the index.
        """
        if rows is None:
            every_row = np.arange(len(self), dtype=np.int64)
            return self._search(self.vectors, every_row, k, recall, exclude, allow, num_threads)
        own_rows = _checks.as_rows("rows", rows, len(self))
        return self._search(self.vectors[own_rows], own_rows, k, recall, exclude, allow, num_threads)

    def _search(
        self,
        queries: NDArray[np.float32],
        own_rows: NDArray[np.int64] | None,
        k: SupportsIndex,
        recall: float,
        exclude: CsrMatrix | Sequence[ArrayLike] | None,
        allow: ArrayLike | None,
        num_threads: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        _checks.check_recall(recall)
        started = time.perf_counter()
        rows, scores, (scanned, contenders, scored) = self._native.search_rows(
            queries,
            _checks.check_integer("k", k, 1),
            own_rows=own_rows,
            exclude=None if exclude is None else self._exclusions(exclude, len(queries)),
            allow=None if allow is None else self._allowed_rows(allow),
            recall=recall,
            num_threads=_checks.check_integer("num_threads", num_threads, 0),
        )
        pairs = max(1, len(queries) * len(self))
        self.last_search_stats = {
            "seconds": time.perf_counter() - started,
            "scanned_share": scanned / pairs,
            "contender_share": contenders / pairs,
            "scored_share": scored / pairs,
            "multiply_adds": float(scanned * self.dim),
        }
        return rows, scores

    def __len__(self) -> int:
        return self._native.count

    def __repr__(self) -> str:
        place = "" if self._path is None else f", path={self._path!r}"
        return f"Index({len(self)} x {self.dim}, {self.metric}{place})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._path is None:
            raise AnnlibError("an index in memory cannot be pickled: save it to a file first")
        return type(self).open, (os.path.abspath(self._path),)  # noqa: PTH100 (keeps the path as text)

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return self._native.dim

    @property
    def metric(self) -> Metric:
        """The metric's name."""
        return self._metric

    @property
    def path(self) -> str | None:
        """The file of the index; None where it is in memory."""
        return self._path

    @property
    def metadata(self) -> dict[str, Any]:
        """What was given as ``metadata`` when the index was built: a copy."""
        return copy.deepcopy(self._metadata)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors, float32 ``(n, d)``: a read-only view."""
        return self._native.vectors

    @property
    def ids(self) -> NDArray[Any]:
        """The ids by row: int64 ``(n,)``, or object ``(n,)`` holding strings."""
        if self._native.id_type == "integers":
            return self._native.integer_ids
        return self._ids_of(np.arange(len(self), dtype=np.int64))

    @property
    def names(self) -> NDArray[np.object_] | None:
        """The names by row, object ``(n,)`` holding strings; None where the index has none."""
        if not self._native.has_names:
            return None
        return _string_array(self._native.names(np.arange(len(self), dtype=np.int64)))

    def names_of(self, rows: ArrayLike) -> NDArray[np.object_] | None:
        """Return the names of row numbers, shape ``(m,)``, without reading the others; None where there are none."""
        if not self._native.has_names:
            return None
        return _string_array(self._native.names(_checks.as_rows("rows", rows, len(self))))

    def rows(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Return the row numbers of ids, shape ``(m,)``; UnknownIdError for one that is not in the index."""
        wanted = self._convert_ids("ids", ids)
        rows = self._find_rows(wanted)
        return self._known(wanted, rows)

    def find_rows(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Return the row numbers of ids, shape ``(m,)``, -1 for those that are not in the index."""
        return self._find_rows(self._convert_ids("ids", ids))

    def ids_of(self, rows: ArrayLike) -> NDArray[Any]:
        """Return the ids of row numbers, shape ``(m,)``, as :attr:`ids` has them, without reading the others."""
        return self._ids_of(_checks.as_rows("rows", rows, len(self)))

    def row(self, id: int | str) -> int:  # noqa: A002 (the word for it)
        """Return the row number of one id."""
        return int(self.rows([id])[0])

    def vector(self, id: int | str) -> NDArray[np.float32]:  # noqa: A002
        """Return the vector of one id, float32 ``(d,)``: a read-only view."""
        vector: NDArray[np.float32] = self.vectors[self.row(id)]
        return vector

    @property
    def info(self) -> dict[str, Any]:
        """What the index is, as plain values: format, metric, size, ids, sections, instruction set, calibration."""
        return {
            "path": self._path,
            "format_version": _native.FORMAT_VERSION,
            "metric": self.metric,
            "count": len(self),
            "dim": self.dim,
            "id_type": self._native.id_type,
            "has_names": self._native.has_names,
            "bytes": self._native.file_bytes,
            "sections": [
                {"name": name, "offset": offset, "bytes": length, "required": required}
                for name, offset, length, required in self._native.sections
            ],
            "isa": _native.isa(),
            "calibration": self._calibration(),
        }

    def _calibration(self) -> dict[str, Any]:
        """What a recall below 1 takes: the share kept of each bound's uncertain part (beta), by k and recall."""
        tables = self._native.calibration
        if not tables:
            return {"state": "every search is exact: nothing to calibrate", "tables": []}
        return {
            "state": "measured on " + " and ".join(f"{queries} {source}" for source, queries, _ in tables),
            "k": list(_native.CALIBRATED_K),
            "recall": [round(recall, 4) for recall in _native.CALIBRATED_RECALLS],
            "tables": [
                {"source": source, "queries": queries, "beta": [[round(beta, 4) for beta in row] for row in betas]}
                for source, queries, betas in tables
            ],
        }

    def _convert_ids(self, argument: str, ids: ArrayLike) -> NDArray[np.int64] | list[str]:
        wanted = _checks.as_ids(argument, ids)
        strings = self._native.id_type == "strings"
        if len(wanted) > 0 and isinstance(wanted, list) != strings:
            expected, got = ("strings", "integers") if strings else ("integers", "strings")
            raise TypeError(f"{argument}: the ids of this index are {expected}, got {got} ({wanted[0]!r}, ...)")
        return wanted

    def _find_rows(self, ids: NDArray[np.int64] | list[str]) -> NDArray[np.int64]:
        """Return the rows of ids, -1 for those that are not in the index."""
        if isinstance(ids, list):
            return self._native.rows_of_strings(ids)
        return self._native.rows_of_integers(ids)

    def _known(self, ids: NDArray[np.int64] | list[str], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        unknown = np.flatnonzero(rows < 0)
        if unknown.size > 0:
            first = ids[int(unknown[0])]
            shown = repr(first) if isinstance(first, str) else str(first)
            raise UnknownIdError(f"{shown} is not an id of {self!r} ({unknown.size} of {len(rows)} are not)")
        return rows

    def _ids_of(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the ids of rows of any shape, with -1 or "" for rows of -1."""
        if self._native.id_type == "rows" or rows.size == 0:
            return rows if self._native.id_type != "strings" else np.empty(rows.shape, dtype=object)
        if self._native.id_type == "integers":
            found: NDArray[np.int64] = np.append(self._native.integer_ids, -1)[rows]
            return found
        unique, inverse = np.unique(rows.ravel(), return_inverse=True)
        ids: NDArray[np.object_] = _string_array(self._native.string_ids(unique))[inverse].reshape(rows.shape)
        return ids

    def _exclusions(
        self, exclude: CsrMatrix | Sequence[ArrayLike], queries: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if isinstance(exclude, CsrMatrix):
            return _checks.csr_exclusions(exclude, (queries, len(self)))
        if hasattr(exclude, "tocsr"):
            raise TypeError(f"exclude: expected a CSR matrix, got {type(exclude).__name__}; call .tocsr()")
        if isinstance(exclude, (str, bytes)) or not isinstance(exclude, (Sequence, np.ndarray)):
            raise TypeError(f"exclude: expected a CSR matrix or sequences of ids, got {type(exclude).__name__}")
        if len(exclude) != queries:
            raise ValueError(f"exclude: expected one sequence of ids for each of {queries} queries, got {len(exclude)}")
        rows = [self._find_rows(self._convert_ids("exclude", ids)) for ids in exclude]
        known = [found[found >= 0] for found in rows]
        offsets = np.cumsum([0, *map(len, known)], dtype=np.int64)
        return offsets, np.concatenate([np.empty(0, dtype=np.int64), *known])

    def _allowed_rows(self, allow: ArrayLike) -> NDArray[np.int64]:
        mask = np.asarray(allow)
        if mask.dtype.kind == "b":
            if mask.shape != (len(self),):
                raise ValueError(f"allow: expected a mask of shape ({len(self)},), got {mask.shape}")
            return np.flatnonzero(mask).astype(np.int64)
        wanted = self._convert_ids("allow", allow)
        return np.unique(self._known(wanted, self._find_rows(wanted)))


def _written_metadata(metadata: Mapping[str, Any]) -> bytes:
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata: expected a mapping, got {type(metadata).__name__}")
    try:
        raw = json.dumps(dict(metadata), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise type(error)(f"metadata: expected what JSON can hold: {error}") from None
    if len(raw) > _LARGEST_METADATA:
        raise ValueError(f"metadata: expected at most {_LARGEST_METADATA} bytes as JSON, got {len(raw)}")
    return raw


def _read_metadata(native: _native.Index, path: str | None) -> dict[str, Any]:
    raw = native.metadata
    try:
        if len(raw) > _LARGEST_METADATA:
            raise ValueError(f"expected at most {_LARGEST_METADATA} bytes, got {len(raw)}")
        metadata = json.loads(raw.decode())
        if not isinstance(metadata, dict):
            raise ValueError("expected a JSON object")
    except (ValueError, RecursionError) as error:
        file = "<memory>" if path is None else path
        raise IndexFileError(f"damaged: {error}", file=file, section="metadata") from None
    return metadata


def _string_array(strings: list[str]) -> NDArray[np.object_]:
    array = np.empty(len(strings), dtype=object)
    array[:] = strings
    return array
