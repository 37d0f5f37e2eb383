"""A recommendation pipeline for collaborative filtering: interactions in, recommendation tables out."""
