"""The rule that chooses the settings which a configuration leaves open, from the data that a model is fitted on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.factors.statistics import MatrixStatistics

#: Raised whenever the rule, or the trials around it, may choose otherwise than before: what was fitted by another is
#: fitted anew.
RULE_VERSION = 5

#: Densities that the rule for ALS was made on; beyond them it goes on as at the nearer end.
DENSITIES = (5e-4, 2e-2)
#: Regularization of ALS, at most, as a share of what it works against: (1 + alpha) times the singular value that the
#: matrix has if pairs are spread evenly, sqrt(mean activity x mean popularity). On small data (a few hundred users) the
#: vectors shrink to nothing from .37 to .6 on, and rank as popularity does.
_STRONGEST = 0.3
#: Below this density ALS ranks worse with every sweep after the first few.
_SPARSE = 1e-3


@dataclass(frozen=True)
class Defaults:
    """Values of settings, by their names in ``[weighting]`` and in ``[factorize]``."""

    weighting: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)


def choose(statistics: MatrixStatistics, model: str, factors: int) -> Defaults:
    """Choose settings of the weighting and of the model.

    Only what a configuration leaves open is taken of them: a setting that is given is always honoured.

    Parameters
    ----------
    statistics
        What the matrix that the model is fitted on looks like.
    model
        Name of the model.
    factors
        Dimensions of its vectors.

    Returns
    -------
    The settings that the rule has an opinion on; all others keep the defaults of their class.
    """
    if model == "als":
        return _als(statistics)
    weighting = {"confidence": "log1p", "user_degree_power": 0.5, "item_degree_power": 0.5}
    models: dict[str, dict[str, Any]] = {
        "bpr": {"learning_rate": 0.01, "regularization": 0.01, "iterations": 100},
        "lmf": {"learning_rate": 1.0, "regularization": 2.0, "iterations": 30, "neg_prop": 30},
        "spectral": {"spectrum_power": 0.5, "popularity_power": 0.5},
    }
    return Defaults(weighting, models.get(model, {}))


def _als(statistics: MatrixStatistics) -> Defaults:
    """Of a power law in the density: the sparser the matrix, the more an observed pair has to count.

    The constants lost least, together, over some hundred drawn settings each on hold-outs of the training data of
    MovieLens, Last.fm and Gowalla, of Gowalla's users and items with 20 interactions or more, and of 5,000 of its
    users: densities from 0.0005 to 0.015 (``tests/benchmarks/als_defaults.py``).
    """
    density = min(max(statistics.density, DENSITIES[0]), DENSITIES[1])
    weighting = {
        "confidence": "log1p",
        "user_degree_power": round(0.9 + 0.25 * math.log10(density), 2),
        "item_degree_power": 0.35,
    }
    alpha = 0.1 * density**-0.8
    strongest = _STRONGEST * (1.0 + alpha) * math.sqrt(statistics.mean_activity * statistics.mean_popularity)
    model = {
        "alpha": _rounded(alpha),
        "regularization": _rounded(min(3.7 * density**-0.4, strongest)),
        "iterations": 6 if density < _SPARSE else 10,
    }
    return Defaults(weighting, model)


def _rounded(value: float) -> float:
    """To two digits: more would say nothing."""
    return float(f"{value:.2g}")
