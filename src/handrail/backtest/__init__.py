"""What would this policy decide? Traces, the recorded journal and test cases, replayed through the one flow."""

from __future__ import annotations
