"""Contracts on arguments, results and hand-offs, and the shapes that results have in practice."""
