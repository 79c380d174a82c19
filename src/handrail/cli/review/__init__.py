"""`handrail review`: what waits for a person, and deciding it."""

from handrail.cli.options import new_app
from handrail.cli.review.approve import approve
from handrail.cli.review.clear import clear
from handrail.cli.review.deny import deny
from handrail.cli.review.grants import grants
from handrail.cli.review.list import list_tickets
from handrail.cli.review.revoke import revoke
from handrail.cli.review.show import show

app = new_app("Look at what waits for a person, and decide it.")
app.command("list")(list_tickets)
app.command("show")(show)
app.command("approve")(approve)
app.command("deny")(deny)
app.command("clear")(clear)
app.command("grants")(grants)
app.command("revoke")(revoke)
