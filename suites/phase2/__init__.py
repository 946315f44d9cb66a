"""Suites of phase 2: the API. A vector here is blamed on one requirement only; what else breaks blocks it."""
