"""`handrail reviewer`: who may decide."""

from handrail.cli.options import new_app
from handrail.cli.reviewer.add import add
from handrail.cli.reviewer.list import list_reviewers

app = new_app("Say who may decide.")
app.command("add")(add)
app.command("list")(list_reviewers)
