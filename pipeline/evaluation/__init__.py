"""How good the recommendations are, and whether a run may be published."""
