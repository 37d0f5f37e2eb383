"""``python -m pipeline.docs``: write what is generated from the code into the pages."""

from __future__ import annotations

from pipeline.docs import definitions, reference

reference.PAGE.write_text(reference.reference(), encoding="utf-8")
definitions.PAGE.write_text(
    definitions.with_definitions(definitions.PAGE.read_text(encoding="utf-8")), encoding="utf-8"
)
