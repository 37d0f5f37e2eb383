"""Spaces: which vectors can be compared with which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.config.entities import AttributeEntity, ColumnEntity, EntitySettings, FileEntity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config.sections import InteractionsSettings


def space_of(name: str, entity: EntitySettings) -> str:
    """The space of an entity type's vectors, as messages name it; equal for two that can be compared."""
    if not isinstance(entity, FileEntity):
        return "the space of the interactions"
    return f"a space of {name} alone" if entity.space is None else f"the space {entity.space!r}"


@dataclass(frozen=True)
class InteractionSpace:
    """The entity types whose vectors the interactions give, in one space: users, items, and attributes of the items.

    Attributes
    ----------
    interactions
        The section ``[interactions]``.
    entities
        The entity types by name, in the order of the configuration.
    """

    interactions: InteractionsSettings
    entities: Mapping[str, ColumnEntity | AttributeEntity]

    @property
    def item_entity(self) -> str:
        """The entity type of the items."""
        return next(
            name
            for name, entity in self.entities.items()
            if isinstance(entity, ColumnEntity) and entity.column == self.interactions.item
        )

    @property
    def attributes(self) -> dict[str, AttributeEntity]:
        """The entity types that are attributes of the items."""
        return {name: entity for name, entity in self.entities.items() if isinstance(entity, AttributeEntity)}
