"""The rules of a table, kept with the run, so that a look-up gives what the table has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.config import TableSettings
from pipeline.errors import StoreError
from pipeline.tables.caps import Cap
from pipeline.tables.exhaustive import ExhaustiveSearch
from pipeline.tables.fallback import Popular
from pipeline.tables.neighbors import Lists, neighbor_lists
from pipeline.tables.ranking import RuledLists
from pipeline.tables.rules import Rules
from pipeline.tables.searches import ModelSearch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    import annlib
    from pipeline.config import DiversitySettings, Metric
    from pipeline.tables.searches import Search

#: Raised whenever what :meth:`KeptRules.save` writes changes.
SCHEMA_VERSION = 1

_DOCUMENT = "rules.json"
#: What a look-up asks of a table's settings; the others are in the arrays, or of no concern to one list.
_SETTINGS = ("name", "source", "target", "metric", "exclude_seen", "max_per", "diversity")
_ARRAYS = ("allow", "weights", "popular_order", "popular_shares")


@dataclass(frozen=True)
class KeptRules:
    """The rules of a table as they were when the run was made: what its files said then, they go on saying.

    Attributes
    ----------
    table
        The settings of the table, without its files and its length.
    allow, weights, popular
        As in :class:`~pipeline.tables.rules.Rules`.
    """

    table: TableSettings
    allow: NDArray[np.bool_] | None
    weights: NDArray[np.float64] | None
    popular: Popular | None

    @classmethod
    def of(cls, table: TableSettings, rules: Rules) -> KeptRules:
        """What is to be kept of a table."""
        return cls(_without_files(table), rules.allow, rules.weights, rules.popular)

    def save(self, folder: Path) -> None:
        """Write into an existing empty folder."""
        popular = (None, None) if self.popular is None else self.popular
        arrays = dict(zip(_ARRAYS, (self.allow, self.weights, *popular), strict=True))
        kept = {name: array for name, array in arrays.items() if array is not None}
        for name, array in kept.items():
            np.save(folder / f"{name}.npy", array)
        settings = self.table.model_dump(mode="json", include={*_SETTINGS, "k"}, by_alias=True)
        document = {"schema_version": SCHEMA_VERSION, "table": settings, "arrays": sorted(kept)}
        (folder / _DOCUMENT).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> KeptRules:
        """Map what :meth:`save` wrote.

        Raises
        ------
        StoreError
            If the folder holds no rules of this version.
        """
        path = folder / _DOCUMENT
        if not path.is_file():
            raise StoreError(f"{folder}: expected the rules of a table, found none", hint="Run again: cfpipe run.")
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document["schema_version"] != SCHEMA_VERSION:
            raise StoreError(
                f"{path}: expected version {SCHEMA_VERSION}, got {document['schema_version']}",
                hint="Run again: cfpipe run.",
            )
        allow, weights, order, shares = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) if name in document["arrays"] else None
            for name in _ARRAYS
        )
        popular = None if order is None or shares is None else Popular(order, shares)
        # As JSON, in which strict settings take a list for a tuple.
        return cls(TableSettings.model_validate_json(json.dumps(document["table"])), allow, weights, popular)

    @property
    def metric(self) -> Metric:
        """The metric that the table is ranked by."""
        return self.table.effective_metric

    def lists(
        self,
        index: annlib.Index,
        targets: NDArray[np.float32],
        vectors: NDArray[np.float32],
        *,
        k: int,
        exclude: csr_matrix | None,
        attribute: Callable[[str], csr_matrix],
        num_threads: int = 0,
    ) -> Lists:
        """The lists that the table would have for some users, exact whatever its recall.

        Parameters
        ----------
        index
            Index of the targets under :attr:`metric`.
        targets
            Vectors of the targets, float32, shape ``(n_targets, d)``; may be memory-mapped.
        vectors
            Vectors of the users, float32, shape ``(m, d)``.
        k
            Length of the lists, at most; up to the table's they begin as it does.
        exclude
            CSR of shape ``(m, n_targets)``: what to leave out of each list.
        attribute
            Gives the values of an attribute that the targets have, CSR, shape ``(n_targets, n_values)``.
        """
        caps = tuple(Cap(attribute(name), limit) for name, limit in (self.table.max_per or {}).items())
        wanted = np.arange(len(vectors))
        rules = Rules(
            wanted,
            exclude,
            allow=None if self.allow is None else np.asarray(self.allow),
            weights=self.weights,
            caps=caps,
            diversity=self._diversity(k),
            popular=self.popular,
        )
        if rules.are_filters:
            return next(
                neighbor_lists(index, vectors, wanted, k=k, exclude=exclude, allow=rules.allow, num_threads=num_threads)
            )
        search: Search
        if rules.weights is None:
            search = ModelSearch(index, vectors, exclude=exclude, allow=rules.allow, num_threads=num_threads)
        else:
            search = ExhaustiveSearch(targets, vectors, self.metric, rules.weights, exclude=exclude, allow=rules.allow)
        return next(iter(RuledLists(search, targets, vectors, self.metric, rules, k=k, num_threads=num_threads)))

    def _diversity(self, k: int) -> DiversitySettings | None:
        """How lists of a length are chosen: from as many candidates as they are long, if the table has fewer."""
        diversity = self.table.diversity
        if diversity is None or diversity.candidates >= k:
            return diversity
        return diversity.model_copy(update={"candidates": k})


def _without_files(table: TableSettings) -> TableSettings:
    """What a look-up asks of a table's settings; how long its list is, it says itself."""
    settings = table.model_dump(include=set(_SETTINGS), by_alias=True)
    return TableSettings.model_validate({**settings, "k": 1})
