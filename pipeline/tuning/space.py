"""What a study chooses: settings of the model and of the weighting, and between what."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self, get_args, get_origin

from pipeline.errors import ConfigError
from pipeline.factors.base import find_factorizer
from pipeline.factors.search_space import Choice, FloatRange, Iterations, Range
from pipeline.factors.weighting import WeightingSettings
from pipeline.trials.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_matrix

    from pipeline.config import Config
    from pipeline.factors.choosing import ChosenSettings

#: Significant digits of a number that is tried: more would say nothing, and nobody wants to read them.
_DIGITS = 3


@dataclass(frozen=True)
class StudySpace:
    """The settings that a study chooses.

    Attributes
    ----------
    configured
        The settings of the configuration, where the search starts; what they leave open, :meth:`filled_in` chooses.
    ranges
        What is drawn for each trial, by names such as ``"factorize.alpha"``.
    iterations
        The number of passes, which is chosen while a fit runs; None for a model that declares none.
    """

    configured: Candidate
    ranges: Mapping[str, Range]
    iterations: Iterations | None

    #: The name under which the passes are kept.
    ITERATIONS = "factorize.iterations"

    @classmethod
    def of(cls, config: Config, *, weights_differ: bool) -> Self:
        """What there is to choose for a configuration.

        Parameters
        ----------
        config
            The configuration.
        weights_differ
            Whether the interactions have different weights: else most transforms of them are the same.

        Raises
        ------
        ConfigError
            If the model declares nothing to be tuned, or what cannot be.
        """
        model = find_factorizer(config.factorize.model)
        if not model.search_space:
            raise ConfigError(
                f"nothing to tune: the model {config.factorize.model!r} declares no search_space",
                hint="See pipeline.factors.base.Factorizer.search_space.",
            )
        declared: dict[str, Range | Iterations] = {f"factorize.{key}": each for key, each in model.search_space.items()}
        if model.reads_confidences:
            space = _weighting_space(config.weighting, weights_differ)
            declared |= {f"weighting.{key}": each for key, each in space.items()}
        watched = {name: each for name, each in declared.items() if isinstance(each, Iterations)}
        if not watched.keys() <= {cls.ITERATIONS}:
            raise ConfigError(
                f"model {config.factorize.model!r}: search_space: expected Iterations under 'iterations' alone, "
                f"got {', '.join(watched)}"
            )
        iterations = watched.get(cls.ITERATIONS)
        ranges = {name: each for name, each in declared.items() if not isinstance(each, Iterations)}
        return cls(Candidate.of(config), ranges, iterations)

    def filled_in(self, train: csr_matrix, chosen: ChosenSettings | None = None) -> Self:
        """The space with nothing left open in the settings that the search starts from.

        Parameters
        ----------
        train
            The matrix that trials are fitted on.
        chosen
            What a run of the configuration would take for what is left open; None for what the rule chooses.
        """
        return replace(self, configured=self.configured.filled_in(train, chosen))

    def configured_values(self) -> dict[str, Any]:
        """The configured values of what is drawn, but for those that no draw can give: outside their range."""
        values = self.configured.values(self.ranges)
        return {name: value for name, value in values.items() if value in self.ranges[name]}

    def to_json(self) -> dict[str, Any]:
        """All that decides what is tried, for a fingerprint."""
        everything = dict[str, Range | Iterations](self.ranges)
        if self.iterations is not None:
            everything[self.ITERATIONS] = self.iterations
        ranges = {name: {"kind": type(each).__name__, **asdict(each)} for name, each in everything.items()}
        return {"configured": self.configured.to_sections(), "ranges": ranges}


def rounded(value: Any) -> Any:
    """A value that was drawn, as it is tried."""
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _weighting_space(configured: WeightingSettings, weights_differ: bool) -> dict[str, Range]:
    space: dict[str, Range] = {
        "user_degree_power": FloatRange(0.0, 1.0),
        "item_degree_power": FloatRange(0.0, 1.0),
    }
    confidences = _literals(WeightingSettings.model_fields["confidence"].annotation)
    if configured.half_life_days is not None:
        confidences = tuple(each for each in confidences if each != "binary")
    elif not weights_differ:
        confidences = ("binary", "bm25")  # the others are what binary is; BM25 counts
    space["confidence"] = Choice(confidences)
    return space


def _literals(annotation: Any) -> tuple[str, ...]:
    """The values of a Literal, however it is wrapped."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(value for part in get_args(annotation) for value in _literals(part))
