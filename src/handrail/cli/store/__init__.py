"""`handrail store`: the file behind everything."""

from handrail.cli.options import new_app
from handrail.cli.store.backup import backup

app = new_app("Look after the store.")
app.callback()(lambda: None)
app.command("backup")(backup)
