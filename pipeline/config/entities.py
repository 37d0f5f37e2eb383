"""Entity types by where their vectors come from: a column or an attribute of the interactions, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from annlib.vectors import FORMATS
from pipeline.config.sections import FileSettings, Name, Section


class NamesSettings(FileSettings):
    """Where the names of an entity type are: a file with a column of ids and one of names."""

    #: Column of the ids.
    id: str
    #: Column of the names.
    name: str


class MapSettings(FileSettings):
    """Which items have which attributes: a file with a column of item ids and one of attribute values."""

    #: Column of the items' ids; an item may come several times, once for each value.
    id: str
    #: Column of the attribute's values, which are the ids of the entity type.
    value: str
    #: Splits one cell into several values, such as ``"|"`` for ``Comedy|Drama``.
    separator: str | None = Field(default=None, min_length=1)


class VectorsSettings(Section):
    """Where the vectors of an entity type are: a file of any format that :mod:`annlib.vectors` reads."""

    #: A file, or a folder or glob of files, in the order of their names; ``{date}`` is the date of the run.
    path: str
    #: ``auto`` goes by the file's ending and beginning; else one of :data:`annlib.vectors.FORMATS`.
    format: str = "auto"
    #: Column of the ids in Parquet; without ids, row numbers from 0 are the ids.
    id_column: str | None = None
    #: Column of lists in Parquet; without it the only one, or one column for each dimension.
    vector_column: str | None = None
    #: Name of the data set in HDF5.
    dataset: str | None = None
    #: Whether an id that comes twice is an error, or all but its first vector are left out.
    duplicates: Literal["error", "first"] = "error"

    @field_validator("format")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != "auto" and value not in FORMATS:
            raise ValueError(f"expected auto or one of {', '.join(FORMATS)}")
        return value


class ColumnEntity(Section):
    """A section ``[entities.NAME]`` of a column of the interactions: the users, or the items."""

    #: The interactions' column of this entity type; exactly one entity type has the item column.
    column: str | None = None
    #: Names of its entities, for people; without it, or where an id has none, the id is the name.
    names: NamesSettings | None = None


class AttributeEntity(Section):
    """A section ``[entities.NAME]`` of an attribute of the items."""

    #: The entity type this one is an attribute of: that of the items.
    of: str
    #: Which items have which values.
    map: MapSettings
    #: Names of its entities, for people; without it, or where an id has none, the id is the name.
    names: NamesSettings | None = None


class FileEntity(Section):
    """A section ``[entities.NAME]`` of an entity type whose vectors come from a file."""

    #: The vectors, all of the same dimensions.
    vectors: VectorsSettings
    #: Entity types of the same space can have tables between them; without a name, the vectors are in one of their own.
    space: Name | None = None
    #: Names of its entities, for people; without it, or where an id has none, the id is the name.
    names: NamesSettings | None = None


def _check_kind(data: Any) -> Any:
    """Refuse keys that say where an entity type's vectors come from in more than one way."""
    if isinstance(data, Mapping):
        kinds = [key for key in ("column", "of", "vectors") if key in data]
        if len(kinds) > 1:
            raise ValueError(
                f"{' and '.join(kinds)} exclude each other: an entity type is a column, an attribute or a file"
            )
    return data


def _kind(data: Any) -> str:
    keys = data if isinstance(data, Mapping) else ()
    if "vectors" in keys or "space" in keys:
        return "<file>"
    return "<attribute>" if "of" in keys or "map" in keys else "<column>"


#: A section ``[entities.NAME]``, of the kind that its keys say.
EntitySettings = Annotated[
    Annotated[ColumnEntity, Tag("<column>")]
    | Annotated[AttributeEntity, Tag("<attribute>")]
    | Annotated[FileEntity, Tag("<file>")],
    Discriminator(_kind),
    BeforeValidator(_check_kind),
]
