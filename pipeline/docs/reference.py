"""The configuration reference, generated from the models: ``python -m pipeline.docs`` writes the page.

A setting is described where it is defined, by the lines that begin with ``#:`` above it; a section by the docstring of
its class. A setting without a description is an error.
"""

from __future__ import annotations

import ast
import datetime
import importlib
import inspect
import re
import textwrap
import types
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel

from pipeline.config import (
    AttributeEntity,
    ColumnEntity,
    Config,
    FactorizeSettings,
    FileEntity,
    FileSettings,
    TableSettings,
)
from pipeline.factors.automatic import AutomaticSettings
from pipeline.factors.base import ENTRY_POINT_GROUP, FactorizerSettings, find_factorizer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pydantic.fields import FieldInfo

#: The page that is generated.
PAGE = Path(__file__).with_name("configuration.md")

_INTRODUCTION = """\
# Configuration reference

<!-- Generated from the models: python -m pipeline.docs -->

A configuration is a TOML file. An unknown key, a wrong type or an impossible combination is an error that names the
key. Relative paths start at the working directory. `${NAME}` in a string is an environment variable; one that is not
set is an error.

`--set SECTION.KEY=VALUE` replaces a setting for one command; the value is TOML, and `--set tables.NAME.k=20` addresses
a table by its name.

A file needs `[interactions]`, or entity types with vectors from files. Without `[entities]`, the items are the entity
type `item`. Without `[[tables]]`, there are `similar_items` and `items_for_users`, by the name of the items' entity
type. Each setting is given with its type, what it may be, and its default.
"""

#: An example of each section, by its heading.
_EXAMPLES = {
    "run": """
        [run]
        name = "listening"
        root = "runs/listening"
        threads = 8
    """,
    "interactions": """
        [interactions]
        path = "plays/dt={date}/*.parquet"
        user = "user_id"
        item = "track_id"
        weight = "plays"
        timestamp = "played_at"
        timestamp_unit = "ms"
        window_days = 90
        where = "seconds >= 30 and country in ['se', 'no']"
        min_items_per_user = 3
    """,
    "entities.NAME: a column": """
        [entities.track]
        column = "track_id"
        names = { path = "tracks.csv", id = "track_id", name = "title" }
    """,
    "entities.NAME: an attribute of the items": """
        [entities.artist]
        of = "track"
        map = { path = "tracks.csv", id = "track_id", value = "artist_id" }
        names = { path = "artists.csv", id = "artist_id", name = "name" }
    """,
    "entities.NAME: vectors from a file": """
        [entities.word]
        vectors = { path = "vectors.txt.gz", format = "glove", duplicates = "first" }
    """,
    "weighting": """
        [weighting]
        confidence = "log1p"
    """,
    "factorize": """
        [factorize]
        model = "als"
        factors = 128
        alpha = 20.0
    """,
    "tables": """
        [[tables]]
        name = "tracks_for_users"
        from = "user"
        to = "track"
        k = 100
        active_days = 30
        deny = { path = "withdrawn.csv", id = "track_id" }
        max_per = { artist = 2 }
        diversity = { lambda = 0.8 }
        fallback = "popular"
    """,
    "evaluation": """
        [evaluation]
        split = "time"
        test_fraction = 0.1
        cutoffs = [10, 20]

        [gates]
        metric = "ndcg@10"
    """,
    "report": """
        [report]
        map_items = 5000
        lookups = { artist = ["Radiohead", "Portishead"] }
    """,
    "gates": """
        [gates]
        min_rows = 100_000
        min_coverage = 0.9
        max_fall = 0.1
    """,
}

#: A docstring that says no more than the heading does.
_SAYS_ITS_NAME = re.compile(r"The section ``\[\w+\]``\.")
#: What is said of files, once for all settings that are one.
_FILES = """\
A setting that is a file is a table of these, and of the columns it is described with:
`names = { path = "names.dat", format = "tsv", id = "id", name = "name" }`. Files of text have a header line."""

#: Sections of several kinds: the heading of each, and its model.
_KINDS: Mapping[str, Mapping[str, type[BaseModel]]] = {
    "entities": {
        "entities.NAME: a column": ColumnEntity,
        "entities.NAME: an attribute of the items": AttributeEntity,
        "entities.NAME: vectors from a file": FileEntity,
    },
    "tables": {"tables": TableSettings},
}


def reference() -> str:
    """The page, as Markdown."""
    parts = [_INTRODUCTION]
    for key, field in Config.model_fields.items():
        if key == "factorize":
            parts.append(_factorize())
        else:
            kinds = _KINDS.get(key) or {key: _section_model(field)}
            parts += [_section(heading, model) for heading, model in kinds.items()]
    parts.append(_paragraphs("## Files", _FILES, _settings(FileSettings)))
    return "\n".join(parts)


def _section_model(field: FieldInfo) -> type[BaseModel]:
    (model,) = _models(field.annotation)
    return model


def _section(heading: str, model: type[BaseModel]) -> str:
    brackets = f"[[{heading}]]" if heading == "tables" else f"[{heading.partition(':')[0]}]"
    title = brackets + "".join(heading.partition(":")[1:])
    return _paragraphs(f"## {title}", _docstring(model), _example(heading), _settings(model))


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _factorize() -> str:
    """The model's name, and the settings of each that the distribution has."""
    ours = [point.name for point in entry_points(group=ENTRY_POINT_GROUP) if point.value.startswith("pipeline.")]
    names = ", ".join(f'`"{name}"`' for name in sorted(ours))
    model = f'- **`model`**: {names}, or what another package registers; default `"als"`.'
    about = "The model and its settings; [models](models.md) says which to take when."
    defaults = _settings(FactorizeSettings, only=("defaults",))
    parts = [_paragraphs("## [factorize]", about, _example("factorize"), f"{_wrapped(model)}\n{defaults}")]
    for name in sorted(ours):
        settings = find_factorizer(name).Settings
        parts.append(_paragraphs(f'### model = "{name}"', _docstring(settings), _settings(settings)))
    return "\n".join(parts)


def _docstring(model: type[BaseModel]) -> str:
    text = inspect.getdoc(model) or ""
    return "" if _SAYS_ITS_NAME.fullmatch(text) else _plain(text)


def _example(heading: str) -> str:
    example = _EXAMPLES.get(heading)
    return f"```toml\n{textwrap.dedent(example).strip()}\n```" if example else ""


def _settings(model: type[BaseModel], prefix: str = "", only: Collection[str] | None = None) -> str:
    """An entry for each setting, or some of them, and those of tables within right after it."""
    descriptions = described(model)
    lines = []
    for name, field in model.model_fields.items():
        if only is not None and name not in only:
            continue
        if prefix and name in FileSettings.model_fields and issubclass(model, FileSettings):
            continue  # said once, of all files
        key = f"{prefix}{field.alias or name}"
        description = descriptions.get(name)
        if description is None:
            raise ValueError(f"{model.__module__}.{model.__name__}.{name}: expected a description, lines of `#:` above")
        if field.annotation is FactorizerSettings:
            lines.append(_wrapped(f"- Beside these, the settings of that model. {_plain(description)}"))
            continue
        automatic = issubclass(model, AutomaticSettings) and name in model.automatic()
        facts = [_type_name(field.annotation), *_bounds(field.metadata), _default(field, automatic=automatic)]
        lines.append(_wrapped(f"- **`{key}`**: {'; '.join(facts)}. {_plain(description)}"))
        lines += [_settings(inner, f"{key}.") for inner in _models(field.annotation)]
    return "\n".join(lines)


def described(model: type[BaseModel]) -> dict[str, str]:
    """The description of each field: the comment lines ``#:`` right above it, of the class or of its bases."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not (issubclass(cls, BaseModel) and cls is not BaseModel):
            continue
        source = textwrap.dedent(inspect.getsource(cls))
        lines = source.splitlines()
        (definition,) = ast.parse(source).body
        assert isinstance(definition, ast.ClassDef)  # noqa: S101 - for the type checker
        for node in definition.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                comment = list(_comment_above(lines, node.lineno - 1))
                if comment:
                    found[node.target.id] = " ".join(reversed(comment))
    return found


def _comment_above(lines: list[str], row: int) -> Iterator[str]:
    while row > 0 and lines[row - 1].strip().startswith("#:"):
        row -= 1
        yield lines[row].strip().removeprefix("#:").strip()


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


_TYPE_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", datetime.date: "date"}


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [text for each in arguments[1:] for text in _bounds(getattr(each, "metadata", [each]))]
        return " ".join([_type_name(arguments[0]), *([f"({', '.join(bounds)})"] if bounds else [])])
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(argument) for argument in arguments if argument is not types.NoneType)
    if origin is Literal:
        *others, last = [f"`{_toml(value)}`" for value in arguments]
        return f"{', '.join(others)} or {last}" if others else last
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"table of {_type_name(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "[file](#files)" if issubclass(annotation, FileSettings) else "table"
    return _TYPE_NAMES[annotation]


def _bounds(metadata: Any) -> Iterator[str]:
    for each in metadata:
        match each:
            case annotated_types.Ge(ge):
                yield f"at least {ge}"
            case annotated_types.Gt(gt):
                yield f"above {gt}"
            case annotated_types.Le(le):
                yield f"at most {le}"
            case annotated_types.Lt(lt):
                yield f"below {lt}"
            case annotated_types.MinLen(length):
                yield f"{length} or more" if length > 1 else "not empty"
            case _ if getattr(each, "pattern", None):
                yield "letters, digits and `_`, a letter first"


def _default(field: FieldInfo, *, automatic: bool) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if automatic:
        return 'chosen from the data where left out or `"auto"`'
    return "optional" if default is None else f"default `{_toml(default)}`"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple() | list():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return str(value)


def _plain(text: str) -> str:
    """Text without the markup of docstrings; a name of data is what it names."""
    text = re.sub(r":data:`(\S+)\.(\w+)`", lambda match: _listed(*match.groups()), text)
    return re.sub(r":\w+:`~?(\S+)`", r"`\1`", text).replace("``", "`")


def _listed(module: str, name: str) -> str:
    return ", ".join(getattr(importlib.import_module(module), name))


def _wrapped(entry: str) -> str:
    return textwrap.fill(entry, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
