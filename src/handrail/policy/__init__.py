"""`handrail.yaml`: read, checked as a whole, and compiled to what the core decides with."""

from __future__ import annotations

from handrail.errors import PolicyError, Problem
from handrail.policy.compiled import CompiledPolicy
from handrail.policy.load import load, loads

__all__ = ["CompiledPolicy", "PolicyError", "Problem", "load", "loads"]
