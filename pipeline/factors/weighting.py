"""Weights of interactions turned into the confidences that models are fitted on."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class WeightingSettings(BaseModel):
    """The section ``[weighting]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    #: What a summed weight w becomes: 1, log(1 + w) or w.
    confidence: Literal["binary", "log1p", "raw"] = "log1p"
    #: Confidences are divided by (number of items of the user) ** user_degree_power ...
    user_degree_power: float = Field(default=0.5, ge=0.0, le=1.0)
    #: ... and by (number of users of the item) ** item_degree_power, then scaled to a mean of 1.
    item_degree_power: float = Field(default=0.5, ge=0.0, le=1.0)
