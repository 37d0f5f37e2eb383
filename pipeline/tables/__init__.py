"""Neighbour tables: their schema, their rows, and how they are written."""
