"""`handrail data`: what agents may do with a database."""

from handrail.cli.data.classify import classify
from handrail.cli.data.install import install
from handrail.cli.data.prune import prune
from handrail.cli.data.serve import serve
from handrail.cli.options import new_app

app = new_app("Guard databases: serve one to an agent, keep its history, tell what statements are.")
app.callback()(lambda: None)
app.command("serve")(serve)
app.command("install")(install)
app.command("prune")(prune)
app.command("classify")(classify)
