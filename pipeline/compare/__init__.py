"""Two runs side by side: their quality with a paired test, and how far their tables agree."""

from pipeline.compare.comparison import Comparison, compare_runs
from pipeline.compare.report import print_comparison
from pipeline.compare.runs import find_run

__all__ = ["Comparison", "compare_runs", "find_run", "print_comparison"]
