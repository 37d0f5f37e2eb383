"""annlib: exact nearest neighbours of dense vectors, at the speed of approximate ones.

>>> import annlib
>>> index = annlib.Index.build([[1, 0], [0, 1], [1, 1]], metric="cosine", ids=["a", "b", "c"])
>>> ids, scores = index.search_ids(["a"], k=1)
>>> ids.tolist()
[['c']]
"""

from __future__ import annotations

from pathlib import Path

try:
    import annlib._native as _native
except ModuleNotFoundError as error:
    if error.name != "annlib._native":
        raise
    raise ImportError(
        f"annlib was imported from {Path(__file__).parent}, where its native module is not built: "
        "install it with `pip install .` and import it from another folder than the source tree"
    ) from error

from annlib.errors import AnnlibError, IndexFileError, UnknownIdError
from annlib.index import Index
from annlib.metric import METRICS, Metric

#: Version of the index file that this version writes; it reads every earlier one.
FORMAT_VERSION = _native.FORMAT_VERSION

__all__ = [
    "FORMAT_VERSION",
    "METRICS",
    "AnnlibError",
    "Index",
    "IndexFileError",
    "Metric",
    "UnknownIdError",
    "__version__",
]

#: Version of the distribution.
__version__: str


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Asked for seldom, and to look it up takes a fifth of the import.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cfpipe")
    except PackageNotFoundError:  # copied, not installed
        return "unknown"
