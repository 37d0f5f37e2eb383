"""annlib in the place of other libraries: each module translates their interface, and holds no search code."""
