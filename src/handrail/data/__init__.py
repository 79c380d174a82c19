"""Guarded data: what agents read from a database, and what they ask to change in it."""
