"""The report of a run: one HTML file that needs nothing but itself.

:mod:`~pipeline.report.write` puts it together, each section from the module of its name; :mod:`~pipeline.report.axes`
and :mod:`~pipeline.report.charts` draw; the text is in ``templates``.
"""

from __future__ import annotations

from typing import Final

#: Raised whenever what a report says changes, so that nothing older is taken for it.
SCHEMA_VERSION: Final = 3
