"""Settings that are left to the data, and settings that are not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.sparse import csr_matrix

from pipeline.factors import choosing
from pipeline.factors.als import AlternatingLeastSquaresSettings
from pipeline.factors.automatic import AUTO
from pipeline.factors.base import factorizer_names, find_factorizer
from pipeline.factors.choosing import ChosenSettings, choose_settings, left_open
from pipeline.factors.defaults import DENSITIES, RULE_VERSION, Defaults, choose
from pipeline.factors.search_space import Iterations
from pipeline.factors.statistics import MatrixStatistics
from pipeline.factors.weighting import WeightingSettings

ALS = AlternatingLeastSquaresSettings


@pytest.fixture
def other_rule(monkeypatch: pytest.MonkeyPatch) -> list[tuple[MatrixStatistics, str, int]]:
    """A rule that chooses what no class has as its default; keeps what it was asked."""
    asked = []

    def rule(statistics: MatrixStatistics, model: str, factors: int) -> Defaults:
        asked.append((statistics, model, factors))
        weighting = {"confidence": "raw", "user_degree_power": 0.125, "item_degree_power": 0.25}
        return Defaults(weighting, {"alpha": 3.5, "regularization": 7.0, "iterations": 6})

    monkeypatch.setattr(choosing, "choose", rule)
    return asked


class TestLeftOpen:
    def test_what_is_absent_or_auto_is_left_open(self) -> None:
        assert ALS().left_open == ("regularization", "alpha", "iterations")
        assert ALS.model_validate({"alpha": AUTO, "iterations": 8}).left_open == ("regularization", "alpha")
        assert ALS.model_validate({"alpha": AUTO}) == ALS()

    def test_what_is_given_is_not_even_at_its_default(self) -> None:
        settings = ALS.model_validate({"alpha": 10.0, "regularization": 10.0, "iterations": 8})
        assert settings.left_open == ()

    def test_other_settings_cannot_be_left_to_the_data(self) -> None:
        with pytest.raises(ValidationError, match="factors"):
            ALS.model_validate({"factors": AUTO})
        with pytest.raises(ValidationError, match="unknown"):
            ALS.model_validate({"unknown": AUTO})

    def test_a_bad_value_is_the_error_it_was(self) -> None:
        with pytest.raises(ValidationError, match="greater than 0"):
            ALS.model_validate({"alpha": -1.0})
        with pytest.raises(ValidationError, match="valid number"):
            ALS.model_validate({"alpha": "automatic"})

    def test_they_are_auto_where_the_configuration_is_shown(self) -> None:
        settings = ALS.model_validate({"alpha": 2.0, "factors": 8})
        assert settings.as_configured() == {
            "factors": 8, "alpha": 2.0, "regularization": AUTO, "iterations": AUTO
        }  # fmt: skip
        assert ALS.model_validate(settings.as_configured()) == settings
        assert ALS.model_validate(settings.as_configured()).left_open == settings.left_open

    @pytest.mark.parametrize("name", factorizer_names())
    def test_what_tuning_chooses_the_data_may(self, name: str) -> None:
        factorizer = find_factorizer(name)
        assert set(factorizer.Settings.automatic()) == set(factorizer.search_space)

    def test_the_weighting_is_open_where_it_is_read(self) -> None:
        bpr = find_factorizer("bpr").Settings()
        assert all(name.startswith("factorize.") for name in left_open("bpr", bpr, WeightingSettings()))
        assert left_open("als", ALS(), WeightingSettings(confidence="raw"))[-2:] == (
            "weighting.item_degree_power",
            "weighting.user_degree_power",
        )


class TestChooseSettings:
    def test_the_rule_fills_in_what_is_left_open(self, plays: csr_matrix, other_rule: list[Any]) -> None:
        fit = choose_settings("als", ALS(factors=9), WeightingSettings(), plays)
        assert fit.model == ALS(factors=9, alpha=3.5, regularization=7.0, iterations=6)
        assert fit.weighting == WeightingSettings(confidence="raw", user_degree_power=0.125, item_degree_power=0.25)
        assert fit.model.left_open == fit.weighting.left_open == ()
        assert fit.chosen is not None
        assert fit.chosen.rule == RULE_VERSION
        assert fit.chosen.values == {
            "weighting.confidence": "raw",
            "weighting.user_degree_power": 0.125,
            "weighting.item_degree_power": 0.25,
            "factorize.regularization": 7.0,
            "factorize.alpha": 3.5,
            "factorize.iterations": 6,
        }
        assert other_rule == [(MatrixStatistics.of(plays), "als", 9)]
        assert fit.chosen.statistics == other_rule[0][0]

    def test_what_is_given_is_honoured(self, plays: csr_matrix, other_rule: list[Any]) -> None:
        weighting = WeightingSettings(confidence="log1p")
        fit = choose_settings("als", ALS(alpha=10.0), weighting, plays)
        assert (fit.model.alpha, fit.weighting.confidence) == (10.0, "log1p")  # type: ignore[attr-defined]
        assert fit.chosen is not None
        assert set(fit.chosen.values) == {
            "weighting.user_degree_power",
            "weighting.item_degree_power",
            "factorize.regularization",
            "factorize.iterations",
        }

    def test_the_rule_is_not_asked_where_all_is_given(self, plays: csr_matrix, other_rule: list[Any]) -> None:
        settings = ALS(alpha=1.0, regularization=2.0, iterations=3)
        weighting = WeightingSettings(confidence="binary", user_degree_power=0.0, item_degree_power=0.0)
        fit = choose_settings("als", settings, weighting, plays)
        assert (fit.model, fit.weighting, fit.chosen) == (settings, weighting, None)
        assert other_rule == []

    def test_confidences_that_see_no_half_life_are_not_chosen_beside_one(
        self, plays: csr_matrix, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(choosing, "choose", lambda *_: Defaults({"confidence": "binary"}, {}))
        assert choose_settings("als", ALS(), WeightingSettings(), plays).weighting.confidence == "binary"
        fading = WeightingSettings(half_life_days=30.0)
        assert choose_settings("als", ALS(), fading, plays).weighting.confidence == "log1p"

    def test_a_model_that_the_rule_does_not_know_keeps_its_defaults(self, plays: csr_matrix) -> None:
        assert choose(MatrixStatistics.of(plays), "somebodys", 8).model == {}

    def test_the_record_survives_json(self, plays: csr_matrix) -> None:
        chosen = choose_settings("als", ALS(), WeightingSettings(), plays).chosen
        assert chosen is not None
        assert ChosenSettings.from_json(json.loads(json.dumps(chosen.to_json(), allow_nan=False))) == chosen


@pytest.mark.parametrize("name", [name for name in factorizer_names() if name != "blend"])
def test_the_rule_chooses_what_the_settings_allow_and_tuning_would_try(name: str, plays: csr_matrix) -> None:
    factorizer = find_factorizer(name)
    defaults = choose(MatrixStatistics.of(plays), name, 64)
    assert set(defaults.model) == set(factorizer.Settings.automatic())
    assert set(defaults.weighting) == set(WeightingSettings.automatic())
    factorizer.Settings.model_validate(dict(defaults.model))
    WeightingSettings.model_validate(dict(defaults.weighting))
    for key, value in defaults.model.items():
        tried = factorizer.search_space[key]
        assert value in tried or (isinstance(tried, Iterations) and tried.low <= value <= tried.high), key


class TestTheRuleForAls:
    @staticmethod
    def _choose(density: float, mean_degree: float = 50.0) -> Defaults:
        statistics = MatrixStatistics.of(csr_matrix(np.ones((3, 4), dtype=np.float32)))
        degrees = {"mean_activity": mean_degree, "mean_popularity": mean_degree}
        return choose(replace(statistics, density=density, **degrees), "als", 64)

    def test_sparser_data_weigh_what_was_observed_more_and_damp_users_less(self) -> None:
        chosen = [self._choose(density) for density in (0.015, 0.005, 0.001, 0.0006)]
        alphas = [each.model["alpha"] for each in chosen]
        powers = [each.weighting["user_degree_power"] for each in chosen]
        assert alphas == sorted(alphas)
        assert powers == sorted(powers, reverse=True)
        assert chosen[0].model["iterations"] > chosen[-1].model["iterations"]

    def test_nothing_is_extrapolated_beyond_the_densities_it_was_made_on(self) -> None:
        low, high = DENSITIES
        assert self._choose(1e-9) == self._choose(low)
        assert self._choose(0.9) == self._choose(high)
        assert self._choose(low) != self._choose(high)

    def test_where_users_and_items_have_few_of_each_other_less_regularization_is_left(self) -> None:
        few, more, many = (self._choose(0.1, degree).model for degree in (5.0, 10.0, 50.0))
        assert few["regularization"] < more["regularization"] < many["regularization"]
        assert few["regularization"] == pytest.approx(0.3 * (1.0 + few["alpha"]) * 5.0, rel=0.05)
        assert few["alpha"] == many["alpha"]

    def test_a_density_of_a_hundredth_has_these(self) -> None:
        assert self._choose(0.01).model == {"alpha": 4.0, "regularization": 23.0, "iterations": 10}
        assert self._choose(0.01).weighting["user_degree_power"] == 0.4
