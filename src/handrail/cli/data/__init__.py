"""`handrail data`: what agents may do with a database."""

from handrail.cli.data.classify import classify
from handrail.cli.options import new_app

app = new_app("Understand what agents ask of a database.")
app.callback()(lambda: None)
app.command("classify")(classify)
