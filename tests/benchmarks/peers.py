"""Every library that is measured, behind one interface: build an index, then search it, with settings to sweep."""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import tempfile
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from measure import Job
    from numpy.typing import NDArray

Settings = dict[str, Any]

#: Items added between two looks at the clock.
_ADDED_AT_ONCE = 10_000


class UnavailableError(Exception):
    """A peer cannot be measured here, and why."""


class OutOfTimeError(Exception):
    """A build was given up at its deadline."""


class Peer(ABC):
    """A library under one kind of index.

    A peer is made for one job and one build; vectors are given to it normalized where the metric is the cosine.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    module: ClassVar[str]
    #: Whether every neighbour found is a true one: nothing is swept for recall then.
    exact: ClassVar[bool] = False

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads
        try:
            self.library = importlib.import_module(self.module)
        except ImportError as error:
            raise UnavailableError(f"{self.package} is not installed ({error})") from error

    @classmethod
    def version(cls) -> str:
        """Version of the package."""
        return importlib.metadata.version(cls.package)

    @classmethod
    @abstractmethod
    def builds(cls, job: Job) -> Sequence[Settings]:
        """Settings of the builds to sweep."""

    @abstractmethod
    def searches(self, job: Job) -> Sequence[Settings]:
        """Settings of the searches to sweep for the index built, recall rising."""

    @abstractmethod
    def build(self, job: Job, items: NDArray[np.float32], settings: Settings, deadline: float) -> None:
        """Build the index.

        Raises
        ------
        OutOfTimeError
            If ``time.perf_counter()`` passed the deadline, where the library lets us look.
        """

    @abstractmethod
    def search(self, queries: NDArray[np.float32], k: int, settings: Settings) -> NDArray[np.int64]:
        """Find k items for each query; rows, -1 for none."""

    def answer(
        self, job: Job, queries: NDArray[np.float32], rows: NDArray[np.int64] | None, settings: Settings
    ) -> NDArray[np.int64]:
        """Find neighbours of all queries (None) or of some rows of them, perhaps with the query's own item."""
        wanted = queries if rows is None else queries[rows]
        return self.search(wanted, job.k + job.self_join, settings)


class Annlib(Peer):
    """Ours: one number, the recall."""

    name, package, module = "annlib", "cfpipe", "annlib"

    @classmethod
    def builds(cls, job: Job) -> Sequence[Settings]:
        return [{}]

    def searches(self, job: Job) -> Sequence[Settings]:
        return [{"recall": 1.0}, {"recall": 0.99}]

    def build(self, job: Job, items: NDArray[np.float32], settings: Settings, deadline: float) -> None:
        self.index = self.library.Index.build(
            job.items, metric=job.metric, calibration_queries=job.calibration, num_threads=self.num_threads
        )

    def search(self, queries: NDArray[np.float32], k: int, settings: Settings) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.index.search(queries, k, num_threads=self.num_threads, **settings)[0]
        return found

    def answer(
        self, job: Job, queries: NDArray[np.float32], rows: NDArray[np.int64] | None, settings: Settings
    ) -> NDArray[np.int64]:
        if not job.self_join:
            return self.search(job.queries if rows is None else job.queries[rows], job.k, settings)
        if rows is None:
            found = self.index.neighbors(job.k, num_threads=self.num_threads, **settings)[0]
        else:
            found = self.index.search_ids(rows, job.k, num_threads=self.num_threads, **settings)[0]
        return np.asarray(found)

    def last_search(self) -> dict[str, float]:
        """What the last search says of itself: ``scanned_share``, ``multiply_adds``, ``seconds``, if it does."""
        return dict(getattr(self.index, "last_search_stats", None) or {})


class Implicit(Peer):
    """implicit.cpu.topk.topk: exact, a matrix product and a selection."""

    name, package, module, exact = "implicit topk", "implicit", "implicit.cpu.topk", True

    @classmethod
    def builds(cls, job: Job) -> Sequence[Settings]:
        return [{}]

    def searches(self, job: Job) -> Sequence[Settings]:
        # Its own threads call BLAS: either may be the faster, by the number of items.
        return [{"blas_threads": 1}, {"blas_threads": self.num_threads}]

    def build(self, job: Job, items: NDArray[np.float32], settings: Settings, deadline: float) -> None:
        if job.metric == "euclidean":
            raise UnavailableError("it has no euclidean distance")
        self.items = items

    def search(self, queries: NDArray[np.float32], k: int, settings: Settings) -> NDArray[np.int64]:
        with threadpool_limits(limits=settings["blas_threads"], user_api="blas"):
            rows, _ = self.library.topk(self.items, queries, k, num_threads=self.num_threads)
        return rows.astype(np.int64)


class _Faiss(Peer):
    package, module = "faiss-cpu", "faiss"
    index: Any

    def _metric(self, job: Job) -> int:
        return self.library.METRIC_L2 if job.metric == "euclidean" else self.library.METRIC_INNER_PRODUCT

    def _add(self, items: NDArray[np.float32], deadline: float) -> None:
        for part in _parts(items, deadline):
            self.index.add(items[part])


class FaissFlat(_Faiss):
    """faiss.IndexFlat: exact."""

    name, exact = "faiss flat", True

    @classmethod
    def builds(cls, job: Job) -> Sequence[Settings]:
        return [{}]

    def searches(self, job: Job) -> Sequence[Settings]:
        return [{}]

    def build(self, job: Job, items: NDArray[np.float32], settings: Settings, deadline: float) -> None:
        self.library.omp_set_num_threads(self.num_threads)
        self.index = self.library.IndexFlat(items.shape[1], self._metric(job))
        self._add(items, deadline)

    def search(self, queries: NDArray[np.float32], k: int, settings: Settings) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.index.search(queries, k)[1]
        return found


class FaissIvf(_Faiss):
    """faiss.IndexIVFFlat: k-means cells, of which nprobe are scanned."""

    name = "faiss IVF"

    @classmethod
    def builds(cls, job: Job) -> Sequence[Settings]:
        root = math.sqrt(len(job.items))
        iterations = (10,) if len(job.items) > 200_000 else (4, 10)
        return [{"nlist": round(root * f), "niter": n} for f in (1, 2, 0.5, 4) for n in iterations]

    def searches(self, job: Job) -> Sequence[Settings]:
        return [{"nprobe": n} for n in _rising(1, self.index.nlist)]

    def build(self, job: Job, items: NDArray[np.float32], settings: Settings, deadline: float) -> None:
        self.library.omp_set_num_threads(self.num_threads)
        dim, metric = items.shape[1], self._metric(job)
        self.quantizer = self.library.IndexFlat(dim, metric)
        self.index = self.library.IndexIVFFlat(self.quantizer, dim, settings["nlist"], metric)
        self.index.cp.niter = settings["niter"]
        self.index.train(items)
        self._add(items, deadline)

    def search(self, queries: NDArray[np.float32], k: int, settings: Settings) -> NDArray[np.int64]:
        self.index.nprobe = settings["nprobe"]
        found: NDArray[np.int64] = self.index.search(queries, k)[1]
        return found


class Hnswlib(Peer):
    """hnswlib: a navigable small-world graph."""

    name, package, module = "hnswlib", "hnswlib", "hnswlib"

    @classmethod
    def builds(cls, job: Job) -> Sequence[Settings]:
        return _graph_builds(job)

    def searches(self, job: Job) -> Sequence[Settings]:
        return _beam_widths(job)

    def build(self, job: Job, items: NDArray[np.float32], settings: Settings, deadline: float) -> None:
        space = "l2" if job.metric == "euclidean" else "ip"
        self.index = self.library.Index(space=space, dim=items.shape[1])
        self.index.init_index(len(items), M=settings["M"], ef_construction=settings["ef_construction"], random_seed=1)
        self.index.set_num_threads(self.num_threads)
        for part in _parts(items, deadline):
            self.index.add_items(items[part], np.arange(part.start, part.stop))

    def search(self, queries: NDArray[np.float32], k: int, settings: Settings) -> NDArray[np.int64]:
        self.index.set_ef(settings["ef"])
        return self.index.knn_query(queries, k)[0].astype(np.int64)


class Voyager(Peer):
    """voyager: hnswlib's graph, with inner products turned into cosines by one more dimension."""

    name, package, module = "voyager", "voyager", "voyager"

    @classmethod
    def builds(cls, job: Job) -> Sequence[Settings]:
        return _graph_builds(job)

    def searches(self, job: Job) -> Sequence[Settings]:
        return _beam_widths(job)

    def build(self, job: Job, items: NDArray[np.float32], settings: Settings, deadline: float) -> None:
        space = {
            "euclidean": self.library.Space.Euclidean,
            "cosine": self.library.Space.Cosine,
            "inner_product": self.library.Space.InnerProduct,
        }[job.metric]
        self.index = self.library.Index(
            space,
            items.shape[1],
            M=settings["M"],
            ef_construction=settings["ef_construction"],
            max_elements=len(items),
        )
        for part in _parts(items, deadline):
            self.index.add_items(items[part], num_threads=self.num_threads)

    def search(self, queries: NDArray[np.float32], k: int, settings: Settings) -> NDArray[np.int64]:
        rows, _ = self.index.query(queries, k, num_threads=self.num_threads, query_ef=settings["ef"])
        return rows.astype(np.int64)


class Usearch(Peer):
    """usearch: a navigable small-world graph."""

    name, package, module = "usearch", "usearch", "usearch.index"

    @classmethod
    def builds(cls, job: Job) -> Sequence[Settings]:
        return _graph_builds(job)

    def searches(self, job: Job) -> Sequence[Settings]:
        return _beam_widths(job)

    def build(self, job: Job, items: NDArray[np.float32], settings: Settings, deadline: float) -> None:
        self.index = self.library.Index(
            ndim=items.shape[1],
            metric="l2sq" if job.metric == "euclidean" else "ip",
            dtype="f32",
            connectivity=settings["M"],
            expansion_add=settings["ef_construction"],
        )
        for part in _parts(items, deadline):
            self.index.add(np.arange(part.start, part.stop), items[part], threads=self.num_threads)

    def search(self, queries: NDArray[np.float32], k: int, settings: Settings) -> NDArray[np.int64]:
        self.index.expansion_search = settings["ef"]
        matches = self.index.search(queries, k, threads=self.num_threads)
        rows = matches.keys.astype(np.int64).reshape(len(queries), k)
        # Beyond a list's count its keys are left unset.
        rows[np.arange(k) >= np.asarray(matches.counts).reshape(-1, 1)] = -1
        return rows


class Annoy(Peer):
    """annoy: a forest of random projections."""

    name, package, module = "annoy", "annoy", "annoy"

    @classmethod
    def builds(cls, job: Job) -> Sequence[Settings]:
        return [{"n_trees": n} for n in (10, 30, 100)]

    def searches(self, job: Job) -> Sequence[Settings]:
        return [{"search_k": n} for n in _rising(100, 2 * len(job.items))]

    def build(self, job: Job, items: NDArray[np.float32], settings: Settings, deadline: float) -> None:
        metric = {"euclidean": "euclidean", "cosine": "angular", "inner_product": "dot"}[job.metric]
        self.index = self.library.AnnoyIndex(items.shape[1], metric)
        self.index.set_seed(1)
        for row, vector in enumerate(items):
            self.index.add_item(row, vector)
        if time.perf_counter() > deadline:
            raise OutOfTimeError("adding the items")
        self.index.build(settings["n_trees"], n_jobs=self.num_threads)

    def search(self, queries: NDArray[np.float32], k: int, settings: Settings) -> NDArray[np.int64]:
        # One query a call; its calls release the interpreter's lock.
        rows = np.full((len(queries), k), -1, dtype=np.int64)

        def answer_part(part: NDArray[np.int64]) -> None:
            for i in part:
                found = self.index.get_nns_by_vector(queries[i], k, search_k=settings["search_k"])
                rows[i, : len(found)] = found

        with ThreadPoolExecutor(self.num_threads) as pool:
            list(pool.map(answer_part, np.array_split(np.arange(len(queries)), 4 * self.num_threads)))
        return rows


class ScalableVs(Peer):
    """scalable-vs: the Vamana graph, on float32 or on locally quantized 8-bit vectors."""

    name, package, module = "scalable-vs", "scalable-vs", "svs"

    @classmethod
    def builds(cls, job: Job) -> Sequence[Settings]:
        sizes = ((32, 64), (64, 128)) if len(job.items) < 200_000 else ((32, 64),)
        return [{"degree": d, "window": w, "bits": bits} for d, w in sizes for bits in (32, 8)]

    def searches(self, job: Job) -> Sequence[Settings]:
        return [{"window": n} for n in _rising(job.k + 4, 4_000)]

    def build(self, job: Job, items: NDArray[np.float32], settings: Settings, deadline: float) -> None:
        svs = self.library
        euclidean = job.metric == "euclidean"
        parameters = svs.VamanaBuildParameters(
            alpha=1.2 if euclidean else 0.95, graph_max_degree=settings["degree"], window_size=settings["window"]
        )
        distance = svs.DistanceType.L2 if euclidean else svs.DistanceType.MIP
        if settings["bits"] == 32:
            self.index = svs.Vamana.build(parameters, items, distance, self.num_threads)
        else:
            with tempfile.TemporaryDirectory() as folder:  # it compresses what it reads from a file
                path = str(Path(folder) / "items.fvecs")
                svs.write_vecs(items, path)
                loader = svs.LVQLoader(svs.VectorDataLoader(path, svs.DataType.float32, items.shape[1]), primary=8)
                self.index = svs.Vamana.build(parameters, loader, distance, self.num_threads)
        self.index.num_threads = self.num_threads

    def search(self, queries: NDArray[np.float32], k: int, settings: Settings) -> NDArray[np.int64]:
        self.index.search_window_size = settings["window"]
        return self.index.search(queries, k)[0].astype(np.int64)


#: Every peer by its name, as ``--peers`` takes it.
PEERS: dict[str, type[Peer]] = {
    "implicit": Implicit,
    "faiss-flat": FaissFlat,
    "faiss-ivf": FaissIvf,
    "hnswlib": Hnswlib,
    "voyager": Voyager,
    "usearch": Usearch,
    "annoy": Annoy,
    "scalable-vs": ScalableVs,
}


def _graph_builds(job: Job) -> list[Settings]:
    """Sizes of a navigable small-world graph, the usual one first."""
    sizes = [(16, 100), (8, 50), (32, 200)] if len(job.items) < 200_000 else [(16, 100), (32, 200)]
    return [{"M": m, "ef_construction": ef} for m, ef in sizes]


def _beam_widths(job: Job) -> list[Settings]:
    return [{"ef": n} for n in _rising(job.k + 4, 4_000)]


def _rising(first: int, last: int) -> list[int]:
    """Whole numbers from first to last, in steps of half a power of two."""
    steps = range(2 * max(0, math.ceil(math.log2(last / first))) + 1)
    return sorted({min(round(first * 2 ** (step / 2)), last) for step in steps})


def _parts(items: NDArray[np.float32], deadline: float) -> Iterator[slice]:
    """Slices of the items, until the deadline."""
    for start in range(0, len(items), _ADDED_AT_ONCE):
        if time.perf_counter() > deadline:
            raise OutOfTimeError(f"{start:,} of {len(items):,} items added")
        yield slice(start, min(start + _ADDED_AT_ONCE, len(items)))


def normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of norm 1; a zero vector stays."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, np.newaxis]
    return vectors / np.maximum(norms, np.finfo(np.float32).tiny)
