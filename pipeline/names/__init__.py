"""Names: from what a person typed to rows of a vocabulary, one that is meant or all that could be."""

from pipeline.names.build import build_name_index
from pipeline.names.folding import fold
from pipeline.names.index import SCHEMA_VERSION, NameIndex
from pipeline.names.matching import find_row, find_rows

__all__ = ["SCHEMA_VERSION", "NameIndex", "build_name_index", "find_row", "find_rows", "fold"]
