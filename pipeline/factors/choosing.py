"""From settings as configured to those that a model is fitted with, and the record of what was chosen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from pipeline.factors.base import FactorizerSettings, find_factorizer
from pipeline.factors.defaults import RULE_VERSION, choose
from pipeline.factors.statistics import MatrixStatistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_matrix

    from pipeline.factors.weighting import WeightingSettings


@dataclass(frozen=True)
class TrialsSummary:
    """What trials of the settings came to.

    Attributes
    ----------
    metric
        What decided, such as ``"ndcg@20"``, on a hold-out of the training data.
    users
        Users that were measured.
    count
        Settings that were fitted.
    best, of_rule
        The measure of what was chosen, and of what the rule alone would have chosen.
    skipped
        Why there were none, so that the rule has chosen alone; then there is nothing of the above.
    """

    metric: str | None = None
    users: int = 0
    count: int = 0
    best: float | None = None
    of_rule: float | None = None
    skipped: str | None = None

    def __str__(self) -> str:
        """For people."""
        if self.skipped is not None:
            return f"By the rule, without trials: {self.skipped}."
        return (
            f"By {self.count} trials, {self.metric} of {self.users:,} users on a part of the training data: "
            f"{_shown(self.best)}, by the rule alone {_shown(self.of_rule)}."
        )


@dataclass(frozen=True)
class ChosenSettings:
    """What was chosen from the data, by which rule and from what.

    Attributes
    ----------
    rule
        Version of the rule, :data:`pipeline.factors.defaults.RULE_VERSION`.
    values
        The values by names such as ``"factorize.alpha"``.
    statistics
        What the rule saw of the data.
    trials
        What trials around the rule came to; None where none were asked for.
    """

    rule: int
    values: Mapping[str, Any]
    statistics: MatrixStatistics
    trials: TrialsSummary | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {
            "rule": self.rule,
            "values": dict(self.values),
            "statistics": self.statistics.to_json(),
            "trials": None if self.trials is None else asdict(self.trials),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` gave; that of older versions knows of no trials."""
        trials = document.get("trials")
        return cls(
            document["rule"],
            document["values"],
            MatrixStatistics.from_json(document["statistics"]),
            None if trials is None else TrialsSummary(**trials),
        )


@dataclass(frozen=True)
class FitSettings:
    """The settings of a fit, nothing in them left open.

    Attributes
    ----------
    weighting
        Of the confidences.
    model
        Of the model.
    chosen
        What of them was chosen from the data; None where all was given.
    """

    weighting: WeightingSettings
    model: FactorizerSettings
    chosen: ChosenSettings | None


def left_open(name: str, model: FactorizerSettings, weighting: WeightingSettings) -> tuple[str, ...]:
    """Names of what is to be chosen from the data, such as ``"factorize.alpha"``, sorted.

    Parameters
    ----------
    name
        Name of the model; the weighting plays no part for one that does not read confidences.
    model, weighting
        The settings as configured.
    """
    of_weighting = weighting.left_open if find_factorizer(name).reads_confidences else ()
    names = [f"factorize.{key}" for key in model.left_open] + [f"weighting.{key}" for key in of_weighting]
    return tuple(sorted(names))


def choose_settings(
    name: str, model: FactorizerSettings, weighting: WeightingSettings, user_items: csr_matrix
) -> FitSettings:
    """Fill in what a configuration leaves open by the rule; what it gives is taken as it is.

    Parameters
    ----------
    name
        Name of the model.
    model, weighting
        The settings as configured.
    user_items
        The matrix that the model is fitted on, before it is weighed, shape ``(n_users, n_items)``; looked at only if
        something is left open.

    Raises
    ------
    DataError
        If the matrix is empty.
    """
    names = left_open(name, model, weighting)
    if not names:
        return FitSettings(weighting.filled_in({}), model, None)
    statistics = MatrixStatistics.of(user_items)
    defaults = choose(statistics, name, model.factors)
    filled_weighting = weighting.filled_in(_with_half_life(defaults.weighting, weighting.half_life_days))
    filled_model = model.filled_in(defaults.model)
    sections = {"weighting": filled_weighting, "factorize": filled_model}
    values = {}
    for each in names:
        section, _, key = each.partition(".")
        values[each] = getattr(sections[section], key)
    return FitSettings(filled_weighting, filled_model, ChosenSettings(RULE_VERSION, values, statistics))


def fill_in(model: FactorizerSettings, weighting: WeightingSettings, chosen: ChosenSettings) -> FitSettings:
    """Fill in what a configuration leaves open with what was chosen before.

    Parameters
    ----------
    model, weighting
        The settings as configured.
    chosen
        What was chosen for them.
    """
    sections: dict[str, dict[str, Any]] = {"factorize": {}, "weighting": {}}
    for name, value in chosen.values.items():
        section, _, key = name.partition(".")
        sections[section][key] = value
    return FitSettings(weighting.filled_in(sections["weighting"]), model.filled_in(sections["factorize"]), chosen)


def _shown(value: float | None) -> str:
    return "none, its fit diverged" if value is None else f"{value:.4f}"


def _with_half_life(weighting: Mapping[str, Any], half_life_days: float | None) -> Mapping[str, Any]:
    """What was chosen for the weighting, but for confidences that would see nothing of a half-life."""
    if half_life_days is not None and weighting.get("confidence") == "binary":
        return {**weighting, "confidence": "log1p"}
    return weighting
