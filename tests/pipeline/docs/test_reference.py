"""The configuration reference says what the models say."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field

from pipeline.config import Config
from pipeline.docs import definitions, pages, reference
from pipeline.evaluation.metrics import RANKING_METRICS
from pipeline.factors.base import factorizer_names


def test_the_page_is_what_the_models_say():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.reference(), (
        "the settings have changed: python -m pipeline.docs"
    )


def test_the_measures_are_defined_as_in_the_code():
    page = definitions.PAGE.read_text(encoding="utf-8")
    assert page == definitions.with_definitions(page), "the definitions have changed: python -m pipeline.docs"
    for measure in (*RANKING_METRICS, "diversity", "coverage", "gini", "novelty"):
        assert f"\n- `{measure}@k`: " in page, measure


def test_every_section_has_an_example():
    text = reference.reference()
    for section in Config.model_fields:
        assert f"\n## [{section}" in text or f"\n## [[{section}]]" in text, section
        assert f"```toml\n[{section}" in text or f"```toml\n[[{section}]]" in text, section


def test_the_page_about_models_has_them_all():
    page = pages()["models"]
    for name in factorizer_names():
        assert f"\n| `{name}` | " in page, name


class Base(BaseModel):
    #: Of the base,
    #: on two lines.
    first: int = Field(default=1, ge=0)


class Derived(Base):
    #: Of its own; see :class:`~pipeline.config.Config`.
    second: tuple[str, ...] | None = Field(default=None, min_length=1, alias="other")


class Undescribed(Base):
    third: int


def test_settings_are_described_by_the_comments_above_them():
    assert reference._settings(Derived) == (
        "- **`first`**: integer; at least 0; default `1`. Of the base, on two lines.\n"
        "- **`other`**: list of string; not empty; optional. Of its own; see `pipeline.config.Config`."
    )


def test_a_setting_without_a_description_is_an_error():
    with pytest.raises(ValueError, match=r"Undescribed.third: expected a description"):
        reference._settings(Undescribed)
