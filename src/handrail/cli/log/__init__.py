"""`handrail log`: the journal."""

from handrail.cli.log.list import list_rows
from handrail.cli.log.prune import prune
from handrail.cli.log.resolve import resolve
from handrail.cli.log.show import show
from handrail.cli.log.verify import verify
from handrail.cli.options import new_app

app = new_app("Read the journal: what agents did, tried, and were refused.", alone=True)
app.callback()(list_rows)
app.command("show")(show)
app.command("verify")(verify)
app.command("resolve")(resolve)
app.command("prune")(prune)
