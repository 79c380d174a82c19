"""What actions leave on resources: zones, labels that stick, and who created what."""

from handrail.core.outcome import Reason, Status

FILES = """
version: 1
zones: {production: [prod], staging: []}
agents: {bot: {access: write}}
tools:
  make:  {do: create, resource: "file/{args.id}", zone: args.zone?, labels: [generated]}
  fetch: {do: read, resource: "file/{args.id}", labels: [untrusted]}
  copy:  {do: copy, resource: "file/{args.id}", to: "file/{args.to}", zone: args.zone?}
  move:  {do: move, resource: "file/{args.id}", to: "file/{args.to}", ask: never}
  tag:   {do: update, resource: "file/{args.id}", zone: args.zone, ask: never}
  drop:  {do: delete, resource: "file/{args.id}", ask: never}
"""


def labels(office, name):
    return set(office.store.read(lambda tx: tx.resource(name)).labels)


def done(office, tool, status=Status.SUCCESS, **args):
    go = office.admit(tool, args)
    return office.settle(go, status, **({} if status is Status.SUCCESS else {"reason": Reason.ERROR}))


def test_labels_are_put_and_follow(new_office):
    """A tool's own, where it came from and who created it; copies take along what restricts, moves everything else."""
    office = new_office(policy=FILES)
    done(office, "make", id="a", zone="staging")
    assert labels(office, "file/a") == {"generated", "origin:staging", "created_by_run:run@bot"}
    done(office, "fetch", id="a")
    done(office, "copy", id="a", to="b")
    assert labels(office, "file/b") == {"generated", "origin:staging", "untrusted"}
    done(office, "copy", id="b", to="c", zone="prod")
    assert labels(office, "file/c") >= {"untrusted", "origin:staging"}
    done(office, "move", id="c", to="d")
    assert labels(office, "file/d") >= {"untrusted", "origin:staging", "origin:production"}


def test_who_created_ends_with_the_thing(new_office):
    """A removal ends it, a creation by somebody else makes it nobody's, a copy does not take it along."""
    office = new_office(policy=FILES)
    done(office, "make", id="a")
    done(office, "make", id="a")
    assert "created_by_run:run@bot" in labels(office, "file/a")
    done(office, "copy", id="a", to="b")
    assert labels(office, "file/b") == {"generated"}
    done(office, "drop", id="a")
    assert labels(office, "file/a") == {"generated"}
    done(office, "make", id="c")
    office.settle(office.admit("make", {"id": "c"}, run="other"))
    assert labels(office, "file/c") == {"generated", "existed"}


def test_leaving_a_zone_is_remembered(new_office):
    """What is retagged carries where it came from."""
    office = new_office(policy=FILES)
    done(office, "make", id="a", zone="staging")
    done(office, "tag", id="a", zone="prod")
    assert labels(office, "file/a") >= {"origin:staging"}
    assert office.store.read(lambda tx: tx.resource("file/a")).zone == "production"


def test_labels_are_there_before_it_is_known(new_office):
    """What a change leaves if it happens stands before it runs; what certainly did nothing takes it back."""
    office = new_office(policy=FILES)
    go = office.admit("make", {"id": "a", "zone": "staging"})
    assert labels(office, "file/a") == {"generated", "perhaps_in:staging"}, "should the process die now"
    office.settle(go, Status.FAILED, reason=Reason.ERROR)
    assert labels(office, "file/a") == set()
    done(office, "fetch", id="a")
    go = office.admit("copy", {"id": "a", "to": "b"})
    assert labels(office, "file/b") == {"untrusted"}
    office.settle(go, Status.FAILED, reason=Reason.ERROR)
    assert labels(office, "file/b") == set()
    office.settle(office.admit("make", {"id": "c"}), Status.FAILED_VALIDATION, reason=Reason.CHECKS)
    assert labels(office, "file/c") == {"generated"}, "it returned, so it happened; who created it is not told"


def test_taking_back_spares_what_others_put(new_office):
    """A label that another action has put meanwhile stays when ours turns out to have done nothing."""
    office = new_office(policy=FILES)
    ours = office.admit("make", {"id": "a"})
    office.clock.forward(1)
    office.settle(office.admit("make", {"id": "a"}, run="other"))
    office.settle(ours, Status.FAILED, reason=Reason.ERROR)
    assert "generated" in labels(office, "file/a")


def test_observe_mode_remembers_apart(new_office):
    """What is only observed leaves no labels that are enforced."""
    office = new_office(policy=FILES.replace("version: 1", "version: 1\nmode: observe"))
    done(office, "make", id="a", zone="staging")
    assert labels(office, "file/a") == set()
    assert labels(office, "observe\x1ffile/a") >= {"origin:staging"}
