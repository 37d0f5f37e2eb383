"""Trials of settings: fits on a part of the training data, measured on the rest of it."""
