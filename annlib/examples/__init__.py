"""Small programs that show what annlib is for, each run as ``python -m annlib.examples.NAME``; see ``--help``."""
