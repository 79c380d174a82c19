"""Which scenes there are, in the order of the brief. To add one: write its file, and add one line here."""

from __future__ import annotations

from handrail.demo.scene import Scene
from handrail.demo.scene_1_silent_failure import SilentFailure
from handrail.demo.scene_3_guardrail_bypass import GuardrailBypass
from handrail.demo.scene_4_state_corruption import StateCorruption


def scenes() -> tuple[Scene, ...]:
    """Return every scene."""
    return (
        SilentFailure(),
        GuardrailBypass(),
        StateCorruption(),
    )
