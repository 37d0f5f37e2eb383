"""Settings of a model and of the weighting, as trials fit them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from pipeline.config import FactorizeSettings
from pipeline.errors import ConfigError
from pipeline.factors.choosing import choose_settings, fill_in
from pipeline.factors.weighting import WeightingSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scipy.sparse import csr_matrix

    from pipeline.config import Config
    from pipeline.factors.automatic import AutomaticSettings
    from pipeline.factors.choosing import ChosenSettings


@dataclass(frozen=True)
class Candidate:
    """Settings that can be fitted and measured."""

    factorize: FactorizeSettings
    weighting: WeightingSettings

    @classmethod
    def of(cls, config: Config) -> Self:
        """The settings of a configuration, of which some may be left to the data."""
        return cls(config.factorize, config.weighting)

    def filled_in(self, user_items: csr_matrix, chosen: ChosenSettings | None = None) -> Self:
        """The settings with nothing left open: by what was chosen before, else by the rule, for a fit on a matrix."""
        factorize = self.factorize
        if chosen is None:
            fit = choose_settings(factorize.model, factorize.settings, self.weighting, user_items)
        else:
            fit = fill_in(factorize.settings, self.weighting, chosen)
        return replace(
            self, factorize=self.factorize.model_copy(update={"settings": fit.model}), weighting=fit.weighting
        )

    @classmethod
    def from_sections(cls, sections: Mapping[str, Mapping[str, Any]]) -> Self:
        """From the sections of a configuration.

        Raises
        ------
        ConfigError
            If the model or the weighting refuses them.
        """
        try:
            weighting = WeightingSettings.model_validate(sections["weighting"])
        except ValidationError as error:
            raise ConfigError(f"weighting: {error}") from None
        return cls(FactorizeSettings.model_validate(sections["factorize"]), weighting)

    def to_sections(self) -> dict[str, dict[str, Any]]:
        """As the sections of a configuration, every key in them; keys without a value are left out."""
        model = {"model": self.factorize.model, **_given(self.factorize.settings)}
        return {"factorize": model, "weighting": _given(self.weighting)}

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Other values of some settings, named ``"factorize.alpha"``."""
        sections = self.to_sections()
        for name, value in values.items():
            section, _, key = name.partition(".")
            sections[section][key] = value
        return self.from_sections(sections)

    def values(self, names: Iterable[str]) -> dict[str, Any]:
        """The values of some settings; those it has."""
        flat = {
            f"{section}.{key}": value for section, keys in self.to_sections().items() for key, value in keys.items()
        }
        return {name: flat[name] for name in names if name in flat}


def _given(settings: AutomaticSettings) -> dict[str, Any]:
    return {key: value for key, value in settings.as_configured().items() if value is not None}
