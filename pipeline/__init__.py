"""A recommendation pipeline for collaborative filtering: interactions in, recommendation tables out.

>>> import pipeline
>>> run = pipeline.open_run("runs/lastfm")
>>> run.similar("artist", "Radiohead", k=10)
"""

from pipeline.explain import Contribution, Explanation
from pipeline.lookup import Neighbor, Run, open_run

__all__ = ["Contribution", "Explanation", "Neighbor", "Run", "open_run"]
