"""A real process that applies or undoes a change of a shop, and kills itself where it is told.

python front_worker.py FOLDER VERB DIGEST STOP
"""

import os
import signal
import sys
from pathlib import Path

import handrail
from handrail.data.rows import GuardedRows
from handrail.data.rows.postgres import Postgres
from handrail.data.rows.sqlite import Sqlite
from handrail.drivers.host import Host


def die(*_args, **_options):
    """End like a machine without power."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(call):
    """Return a function that ends the process once it has done its work."""

    def dying(*args, **options):
        call(*args, **options)
        die()

    return dying


def stop_at(place):
    """Put a stop where it is wanted."""
    if place == "before the change":
        GuardedRows.apply = die
    elif place == "before the commit":
        Sqlite.commit = Postgres.commit = die
    elif place == "after the commit":
        Sqlite.commit, Postgres.commit = after(Sqlite.commit), after(Postgres.commit)
    elif place == "before the settlement":
        Host.settlement = die
    elif place == "after the settlement":
        Host.settled = die


def main():
    """Do it."""
    folder, verb, digest, stop = Path(sys.argv[1]), *sys.argv[2:]
    with handrail.open(folder / "handrail.yaml", store=f"sqlite:///{folder / 'handrail.db'}") as hr:
        db = hr.database("shop")
        print("ready", flush=True)
        if stop == "wait":
            sys.stdin.readline()
        else:
            stop_at(stop)
        with hr.run("bot"):
            try:
                receipt = getattr(db, verb)(digest)
            except handrail.HandrailError as error:
                print(type(error).__name__, error)
            else:
                print("again" if receipt.again else "made")


if __name__ == "__main__":
    main()
