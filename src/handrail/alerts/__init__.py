"""Where alarms go: webhooks and the desktop, never in the way of the agent."""

from handrail.alerts.alert import Alert, AlertKind, Delivery, OnFailure
from handrail.alerts.sender import Sender
from handrail.alerts.webhook import url_error

__all__ = ["Alert", "AlertKind", "Delivery", "OnFailure", "Sender", "url_error"]
