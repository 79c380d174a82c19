"""Why a statement is refused: one sentence that tells an agent and a person what happened and what to write instead."""

from __future__ import annotations

from handrail.errors import HandrailError


class Refusal(HandrailError):  # noqa: N818 (it reads as what happened)
    """This statement is refused. Nothing was run."""
