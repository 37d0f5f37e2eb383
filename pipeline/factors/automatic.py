"""Settings that a configuration may leave to be chosen from the data: those that it gives as ``"auto"``, or not at all.

A class declares which of its settings may be left: ``alpha: Auto[float] = Field(default=10.0, gt=0.0)``. The default is
what holds where nothing is known of the data, as when a model is made without a matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

#: What a setting is in a configuration that leaves it to the data.
AUTO: Final = "auto"


class _FromData:
    """Marks a setting that may be left to the data."""


T = TypeVar("T")
#: The type of a setting that may be left to the data.
Auto = Annotated[T, _FromData()]


class AutomaticSettings(BaseModel):
    """Settings of which some may be left to be chosen from the data."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_open(cls, data: Any) -> Any:
        """Take a setting that is ``"auto"`` for one that is not given."""
        if not isinstance(data, Mapping):
            return data
        automatic = cls.automatic()
        return {
            key: value
            for key, value in data.items()
            if not (isinstance(value, str) and value == AUTO and key in automatic)
        }

    @classmethod
    def automatic(cls) -> tuple[str, ...]:
        """Names of the settings that may be left to the data, in the order they are declared."""
        return tuple(
            name
            for name, field in cls.model_fields.items()
            if any(isinstance(mark, _FromData) for mark in field.metadata)
        )

    @property
    def left_open(self) -> tuple[str, ...]:
        """Names of the settings that are left to the data; until they are filled in they have their defaults."""
        return tuple(name for name in self.automatic() if name not in self.model_fields_set)

    def as_configured(self) -> dict[str, Any]:
        """All settings, as JSON can say them; those that are left to the data are ``"auto"``."""
        return self.model_dump(mode="json") | dict.fromkeys(self.left_open, AUTO)

    def filled_in(self, values: Mapping[str, Any]) -> Self:
        """The settings with nothing left open: what is left takes its value, or else its default.

        Parameters
        ----------
        values
            Values by names; those of settings that are not left open, or that these settings do not have, count for
            nothing.
        """
        chosen = {name: values[name] for name in self.left_open if name in values}
        return type(self).model_validate(self.model_dump() | chosen)
