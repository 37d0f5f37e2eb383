"""The configuration: TOML in, validated models out.

An unknown key, a wrong type or an impossible combination is one :class:`~pipeline.errors.ConfigError` that names the
key's path. Relative paths start at the working directory; ``${NAME}`` in any string is an environment variable.
"""

from pipeline.config.document import Config
from pipeline.config.entities import (
    AttributeEntity,
    ColumnEntity,
    EntitySettings,
    FileEntity,
    MapSettings,
    NamesSettings,
    VectorsSettings,
)
from pipeline.config.loading import load_config, parse_config
from pipeline.config.sections import (
    QUALITY_METRICS,
    USER,
    EvaluationSettings,
    FactorizeSettings,
    FileSettings,
    GateSettings,
    InteractionsSettings,
    Metric,
    ReportSettings,
    RunSettings,
)
from pipeline.config.spaces import InteractionSpace, space_of
from pipeline.config.tables import (
    CATALOGUE_RULES,
    BoostSettings,
    DiversitySettings,
    ListSettings,
    TableSettings,
)

__all__ = [
    "CATALOGUE_RULES",
    "QUALITY_METRICS",
    "USER",
    "AttributeEntity",
    "BoostSettings",
    "ColumnEntity",
    "Config",
    "DiversitySettings",
    "EntitySettings",
    "EvaluationSettings",
    "FactorizeSettings",
    "FileEntity",
    "FileSettings",
    "GateSettings",
    "InteractionSpace",
    "InteractionsSettings",
    "ListSettings",
    "MapSettings",
    "Metric",
    "NamesSettings",
    "ReportSettings",
    "RunSettings",
    "TableSettings",
    "VectorsSettings",
    "load_config",
    "parse_config",
    "space_of",
]
