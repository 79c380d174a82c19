"""`handrail alert`: whether alarms arrive."""

from handrail.cli.alert.test import test
from handrail.cli.options import new_app

app = new_app("See whether alarms arrive.")
app.callback()(lambda: None)
app.command("test")(test)
