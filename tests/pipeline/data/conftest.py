"""What the tests of the data room share: small files, and encoding them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import NamesSettings, parse_config
from pipeline.data.encode import Encoded, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def date() -> datetime.date:
    """The date of every run here."""
    return datetime.date(2026, 1, 31)


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Write a table as Parquet, or text or bytes as they are, below the test's folder."""

    def write_file(name: str, content: pa.Table | dict[str, Any] | str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8", newline="")
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content if isinstance(content, pa.Table) else pa.table(content), path)
        return path

    return write_file


@pytest.fixture
def file_settings() -> Callable[..., NamesSettings]:
    """Settings of a file, as a source takes them."""

    def settings(path: Path | str, format: str = "auto") -> NamesSettings:  # noqa: A002
        return NamesSettings.model_validate({"path": str(path), "format": format, "id": "id", "name": "name"})

    return settings


@pytest.fixture
def encoded(tmp_path_factory, date) -> Callable[..., Encoded]:
    """Encode by a configuration given as a mapping."""

    def encode_document(document: dict[str, Any], *, until: datetime.date = date) -> Encoded:
        folder = tmp_path_factory.mktemp("encoded")
        encode(parse_config(document), until, folder)
        return Encoded.open(folder)

    return encode_document
