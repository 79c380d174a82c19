"""Handrail: the runtime through which every action of an AI agent passes.

import handrail

hr = handrail.open()                     # the nearest handrail.yaml

@hr.tool("crm.update_lead")
def update_lead(id: str, company_size: int) -> dict[str, object]: ...

with hr.run(agent="lead-enricher"):
    update_lead("lead-1", company_size=40)
"""

from __future__ import annotations

from handrail.contracts.contract import Contract
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.data.table import Table
from handrail.drivers.host import Execution, current
from handrail.errors import (
    ActionError,
    ActionFailed,
    ConfigurationError,
    Denied,
    HandrailError,
    Killed,
    NotDone,
    NotFoundError,
    NotNow,
    OutcomeUnknown,
    PolicyError,
    ResultNotKept,
    ReviewError,
    ReviewRequired,
    StoreError,
    StoreVersionError,
    ValidationFailed,
)
from handrail.opening import open  # noqa: A004 (handrail.open() reads as what it does)
from handrail.run import Run
from handrail.workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "ActionError",
    "ActionFailed",
    "ConfigurationError",
    "Contract",
    "Denied",
    "Execution",
    "HandrailError",
    "Killed",
    "NotDone",
    "NotFoundError",
    "NotNow",
    "Outcome",
    "OutcomeUnknown",
    "PolicyError",
    "Reason",
    "ResultNotKept",
    "ReviewError",
    "ReviewRequired",
    "Run",
    "Status",
    "StoreError",
    "StoreVersionError",
    "Table",
    "ValidationFailed",
    "Violation",
    "Workspace",
    "__version__",
    "current",
    "open",
]
