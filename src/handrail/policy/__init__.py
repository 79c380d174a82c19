"""`handrail.yaml`: read, checked as a whole, and compiled to what the core decides with."""

from __future__ import annotations

from handrail.policy.compiled import CompiledPolicy
from handrail.policy.load import load, loads
from handrail.policy.problems import PolicyError, Problem

__all__ = ["CompiledPolicy", "PolicyError", "Problem", "load", "loads"]
