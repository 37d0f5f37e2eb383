"""Matrix factorization: the contract every model keeps, the models of ``implicit``, and fold-in."""
