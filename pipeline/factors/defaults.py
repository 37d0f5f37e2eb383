"""The rule that chooses the settings which a configuration leaves open, from the data that a model is fitted on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.factors.statistics import MatrixStatistics

#: Raised whenever the rule may choose otherwise than before: what was fitted by another is fitted anew.
RULE_VERSION = 1


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
    weighting = {"confidence": "log1p", "user_degree_power": 0.5, "item_degree_power": 0.5}
    models: dict[str, dict[str, Any]] = {
        "als": {"alpha": 10.0, "regularization": 10.0, "iterations": 8},
        "bpr": {"learning_rate": 0.01, "regularization": 0.01, "iterations": 100},
        "lmf": {"learning_rate": 1.0, "regularization": 2.0, "iterations": 30, "neg_prop": 30},
        "softmax": {"temperature": 0.1, "learning_rate": 0.05, "iterations": 40, "popularity_power": 0.05},
        "spectral": {"spectrum_power": 0.5, "popularity_power": 0.5},
    }
    return Defaults(weighting, models.get(model, {}))
