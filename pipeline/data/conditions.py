"""Conditions on rows that a source can apply while it reads."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    import pyarrow.compute as pc


class Column(NamedTuple):
    """A column as a condition sees it: its type, and the expression that gives its values."""

    type: pa.DataType
    values: pc.Expression


class Condition(Protocol):
    """Something that holds for a row, or does not."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns it looks at."""

    def expression(self, columns: Mapping[str, Column]) -> pc.Expression:
        """The condition over columns of these types; a row where it is null is left out."""


@dataclass(frozen=True)
class AllOf:
    """Every one of some conditions, one at least."""

    conditions: tuple[Condition, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns the conditions look at, each once."""
        return tuple(dict.fromkeys(column for condition in self.conditions for column in condition.columns))

    def expression(self, columns: Mapping[str, Column]) -> pc.Expression:
        """Their conjunction."""
        return functools.reduce(operator.and_, (condition.expression(columns) for condition in self.conditions))
