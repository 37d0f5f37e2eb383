"""The lists of a table under the rules of the catalogue, computed batch by batch.

Each list is searched as deep as its rules need: where they have left too little of what was found, twice as deep, and
so on until the list is full or the catalogue exhausted. :mod:`pipeline.tables.oracle` is the slow twin.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from pipeline.tables.caps import accept, compact, most_values
from pipeline.tables.diversity import diversify
from pipeline.tables.fallback import fill
from pipeline.tables.neighbors import BATCH_LISTS, Lists
from pipeline.tables.scoring import pair_scores
from pipeline.tables.searches import BLOCK_CANDIDATES, Found, Search, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.config import Metric
    from pipeline.tables.rules import Rules


@dataclass
class RuleCounts:
    """What the rules did to the lists, for the manifest.

    Attributes
    ----------
    passed_over
        Targets above the last of a list, or of its candidates, that ``max_per`` kept out.
    reordered_lists
        Lists that ``diversity`` made another than the best k.
    popular_rows, popular_lists
        Rows that ``fallback`` added, and lists that it added to.
    """

    passed_over: int = 0
    reordered_lists: int = 0
    popular_rows: int = 0
    popular_lists: int = 0

    def add(self, others: RuleCounts) -> None:
        """Add what was counted elsewhere."""
        for counted in fields(self):
            setattr(self, counted.name, getattr(self, counted.name) + getattr(others, counted.name))


class RuledLists:
    """Iterates over the lists of a table, in batches of bounded memory.

    Parameters
    ----------
    search
        Finds the best targets, by scores with weights and without what is never to be listed.
    targets, vectors
        Vectors of the targets and the sources, float32, shapes ``(n_targets, d)`` and ``(n_sources, d)``.
    metric
        What the model's scores are.
    rules
        The rules of the table.
    k
        Length of the lists, at most.

    Attributes
    ----------
    counts
        What the rules did so far.
    """

    def __init__(
        self,
        search: Search,
        targets: NDArray[np.float32],
        vectors: NDArray[np.float32],
        metric: Metric,
        rules: Rules,
        *,
        k: int,
        num_threads: int = 0,
    ) -> None:
        self._search = search
        self._targets = targets
        self._vectors = vectors
        self._metric: Metric = metric
        self._rules = rules
        self._k = min(k, len(targets))
        self._num_threads = num_threads
        diversity = rules.diversity
        self._n_candidates = self._k if diversity is None else min(diversity.candidates, len(targets))
        self.counts = RuleCounts()

    def __iter__(self) -> Iterator[Lists]:
        wanted = self._rules.wanted
        size = min(BATCH_LISTS, max(1, BLOCK_CANDIDATES // self._n_candidates))
        for start in range(0, len(wanted), size):
            yield self._lists(wanted[start : start + size])

    def _lists(self, source_rows: NDArray[np.int64]) -> Lists:
        rules = self._rules
        found = self._candidates(source_rows)
        if rules.diversity is not None:
            best = found.rows[:, : self._k]
            found = Found(*diversify(*found, self._targets, rules.diversity, self._k, num_threads=self._num_threads))
            self.counts.reordered_lists += int((found.rows != best).any(axis=1).sum())
        popular = None
        if rules.popular is not None:
            popular = self._fill(source_rows, found)
        return Lists(source_rows, found.rows, found.scores, self._relevance(source_rows, found, popular), popular)

    def _candidates(self, source_rows: NDArray[np.int64]) -> Found:
        """The best of each source that the caps leave."""
        length, caps = self._n_candidates, self._rules.caps
        if not caps:
            return self._search.best(source_rows, length)
        found = Found(
            np.full((len(source_rows), length), -1, dtype=np.int64),
            np.full((len(source_rows), length), np.nan, dtype=np.float32),
        )
        pending = np.arange(len(source_rows))
        depth = 2 * length
        while len(pending):
            depth = min(depth, len(self._targets))
            short = []
            for part in blocks(pending, depth * most_values(caps)):
                ranked = self._search.best(source_rows[part], depth)
                taken = accept(ranked.rows, caps, length)
                found.rows[part] = compact(ranked.rows, taken, length, -1)
                found.scores[part] = compact(ranked.scores, taken, length, np.nan)
                exhausted = (ranked.rows[:, -1] < 0) | (depth == len(self._targets))
                done = (found.rows[part, -1] >= 0) | exhausted
                self.counts.passed_over += _passed_over(ranked.rows[done], taken[done], length)
                short.append(part[~done])
            pending = np.concatenate(short)
            depth *= 2
        return found

    def _fill(self, source_rows: NDArray[np.int64], found: Found) -> NDArray[np.bool_]:
        """Fill short lists with what is popular; those of sources that the model knows nothing of, altogether."""
        rules = self._rules
        assert rules.popular is not None  # noqa: S101 - for the type checker
        unknown = ~self._vectors[source_rows].any(axis=1)
        found.rows[unknown], found.scores[unknown] = -1, np.nan
        exclude = None if rules.exclude is None else rules.exclude[source_rows]
        filled = fill(found.rows, found.scores, rules.popular, exclude=exclude, caps=rules.caps)
        self.counts.popular_rows += int(filled.sum())
        self.counts.popular_lists += int(filled.any(axis=1).sum())
        return filled

    def _relevance(
        self, source_rows: NDArray[np.int64], found: Found, popular: NDArray[np.bool_] | None
    ) -> NDArray[np.float32] | None:
        """The model's own scores of what is not ranked by them."""
        if self._rules.change_scores:
            changed = found.rows
        elif popular is not None:
            changed = np.where(popular, found.rows, -1)
        else:
            return None
        return pair_scores(self._vectors[source_rows], self._targets, changed, self._metric)


def _passed_over(rows: NDArray[np.int64], taken: NDArray[np.bool_], length: int) -> int:
    """How many were found above the last one taken of a full list, or at all for a list that stays short."""
    before = np.cumsum(taken, axis=1) < length
    return int(((rows >= 0) & before & ~taken).sum())
