"""The metrics: what a score is, and which way is better.

A score is defined once and for all, and every instruction set returns it bit for bit:

1. The terms of components ``0 ... d-1`` are taken in float64, where float32 components convert exactly:
   ``q * x`` for inner product and cosine, ``(q - x) ** 2`` for euclidean, ``|q - x|`` for manhattan, and 1 where
   ``q != x``, else 0, for hamming.
2. They are summed in one fixed order. Lane ``j`` of eight starts at +0.0 and adds terms ``j``, ``j + 8``, ``j + 16``,
   ... one after another (zero terms up to a multiple of eight change nothing); then the lanes are folded:
   ``t[j] = s[j] + s[j + 4]`` for four, ``u[j] = t[j] + t[j + 2]`` for two, ``u[0] + u[1]``. Every operation rounds
   to float64 on its own; no multiplication is fused with an addition.
3. In float64, cosine divides the sum by ``norm(q) * norm(x)``, where ``norm(x)`` is the square root of the same sum
   of ``x * x``; euclidean takes the square root.
4. The result is rounded once to float32 (beyond its range: to infinity). That is the score.

Results are ordered by score, best first, and by row number where scores are equal. A zero vector has no direction:
under cosine it is nobody's neighbour and has none.

:mod:`annlib.exact` is this definition in NumPy.
"""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["DISTANCES", "METRICS", "Metric"]

Metric = Literal["cosine", "inner_product", "euclidean", "manhattan", "hamming"]

METRICS: tuple[Metric, ...] = get_args(Metric)

DISTANCES: frozenset[Metric] = frozenset({"euclidean", "manhattan", "hamming"})
"""Metrics whose scores are distances, lower is closer; the others' scores are higher for closer vectors."""
