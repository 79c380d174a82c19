"""What all roads share: a folder with a policy, a store on the case's clock, people who decide, and the comparison."""

from dataclasses import dataclass
from functools import cache

from handrail.core.facts import Latch
from handrail.policy import loads
from handrail.review import decide
from tests.acceptance.bypass.corpus import Call, Flood

SECRET = "correct horse battery"


@cache
def compiled(text):
    """Return a policy; compiling one takes longer than most cases."""
    return loads(text, source="handrail.yaml")


@dataclass
class Taken:
    """What a road answered to one call."""

    call: Call
    decision: str = ""
    ticket: str | None = None
    why: str = ""

    @property
    def fault(self):
        """What is other than expected, `""` where nothing is."""
        if self.decision == self.call.expect:
            return ""
        return f"{self.call.where}: expected {self.call.expect}, got {self.decision or 'nothing'}. {self.why}"


@dataclass
class Clock:
    """The case's clock."""

    now_us: int = 0

    def __call__(self):
        return self.now_us


class Road:
    """Takes the steps of one side of a case.

    Args:
        case: The case.
        folder: An empty folder.
        flood_max: Calls of a flood that this road really makes.
    """

    flood_max = 20_000

    def __init__(self, case, folder):
        self.case = case
        self.folder = folder
        self.clock = Clock()
        self.policy = case.policy
        self.last = None
        self.taken = []

    def walk(self, side):
        """Take every step; return what is other than expected."""
        for step in self.case.steps(side):
            self.land(step.call.at_us if isinstance(step, Flood) else step.at_us)
            if isinstance(step, Flood):
                self.flood(step)
            elif isinstance(step, Call):
                self.last = self.take(step)
                self.taken.append(self.last)
            else:
                getattr(self, step.what)(step.value)
        self.land(None)
        self.close()
        return [one.fault for one in self.taken if one.fault]

    def flood(self, flood):
        """Make many calls alike; the first that is not decided as expected is kept."""
        for call in flood.calls(min(flood.count, self.flood_max)):
            taken = self.take(call)
            if taken.fault:
                self.taken.append(taken)
                return

    # --- people -------------------------------------------------------------------------------------------------------

    def enroll(self, store, policy):
        """Give every reviewer a secret."""
        for name in policy.reviewers:
            if not any(one.name == name for one in store.read(lambda tx: tx.reviewers())):
                decide.add_reviewer(store, policy, name, SECRET)

    def _person(self):
        return {"reviewer": self.live_policy().reviewers[0], "secret": SECRET}

    def approve(self, _value, remember=None):
        """Approve the ticket of the call before."""
        assert self.last.ticket, f"{self.last.call.where}: there is no ticket to decide. {self.last.why}"
        decide.approve(self.store, self.live_policy(), self.last.ticket, remember=remember, **self._person())

    def grant(self, value):
        """Approve the ticket of the call before, and calls like it in advance."""
        self.approve(True, decide.Remember(value["uses"], value["hours"], value.get("pattern", {})))

    def refuse(self, _value):
        """Refuse the ticket of the call before."""
        decide.deny(self.store, self.live_policy(), self.last.ticket, **self._person())

    def clear(self, value):
        """Forget what is held against a resource, or lift a rule (`{rule: ID}`)."""
        fields = value if isinstance(value, dict) else {"resource": value}
        decide.clear(self.store, self.live_policy(), **fields, **self._person())

    def stop(self, agent):
        """Stop an agent, as `handrail stop` does."""
        self.store.transact(lambda tx: tx.put_latch(Latch(agent, "dana", "It loops.", tx.now_us)))

    def start(self, agent):
        """Lift a stop."""
        self.store.transact(lambda tx: tx.clear_latch(agent))

    def edit(self, value):
        """Go on with a policy in which one text stands for another, in a new process."""
        old, new = value
        assert old in self.policy, f"the policy has no {old!r}"
        self.policy = self.policy.replace(old, new)
        self.restart(True)


def with_defaults(case, call):
    """Return a call's arguments with what the tool's signature or schema fills in."""
    return {**case.defaults.get(call.tool, {}), **call.args}
