"""The corpus: every bypass with its harmless twin, read from the YAML files of the folders beside this one.

A folder is a route, a file is one policy with one case or several, and a case is two lists of steps. A step without
`expect` has to be allowed, so that no case can pass because its preparation was refused.
"""

import datetime as dt
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML

from handrail.backtest.times import instant

FOLDER = Path(__file__).parent / "corpus"
ROADS = ("python", "backtest", "mcp")
START_US = int(dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC).timestamp()) * 1_000_000
TICK_US = 1_000_000
"""What passes before a step that says no time."""

_STEP = {
    "agent", "run", "call", "tool", "args", "result", "error", "before", "seen", "at", "ended_at", "takes", "parent",
    "expect", "times", "cut_off",
}  # fmt: skip
_FILE = {"why", "policy", "cases", "name", "attack", "twin", "roads", "because", "defaults"}
_CASE = _FILE - {"policy", "cases"}
_SPECIAL = {"approve", "refuse", "grant", "restart", "wait", "stop", "start", "clear", "edit"}
KEYS = frozenset(_STEP | _FILE | _SPECIAL | {"flood"})
"""Every key that a file can have."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class CorpusError(Exception):
    """A file of the corpus is not as it should be."""


@dataclass(frozen=True, slots=True)
class Call:
    """One attempted action.

    Attributes:
        where: What messages call the step.
        agent: Name of the agent.
        run: Id of the run.
        call: Id of the call; None where it does not matter.
        tool: Name of the tool.
        args: Its arguments.
        known: Whether `result` is what the tool returns; otherwise it returns null.
        result: What the tool returns.
        error: What the tool fails of; None when it does not.
        cut_off: Whether the tool is cut off, so that nobody knows what it did.
        before: What Handrail reads by itself before the tool runs.
        seen: What Handrail reads by itself afterwards.
        at_us: When it is proposed.
        ended_us: When it ends.
        parent: The agent that it works for, as far as a trace says.
        expect: What has to be decided; None for whatever may be.
    """

    where: str
    agent: str
    run: str
    call: str | None
    tool: str
    args: dict
    known: bool
    result: object
    error: str | None
    cut_off: bool
    before: object
    seen: object
    at_us: int
    ended_us: int
    parent: str | None
    expect: str


@dataclass(frozen=True, slots=True)
class Flood:
    """Many calls alike: `{n}` in the text of the arguments is the number of each."""

    count: int
    call: Call

    def args(self, number):
        """Return the arguments of one of the calls."""
        told = str(number)
        return {
            name: value.replace("{n}", told) if isinstance(value, str) else value
            for name, value in self.call.args.items()
        }

    def calls(self, count):
        """Yield the first `count` calls, one microsecond after the other."""
        for number in range(count):
            at_us = self.call.at_us + number
            yield replace(self.call, args=self.args(number), at_us=at_us, ended_us=at_us)


@dataclass(frozen=True, slots=True)
class Special:
    """What is done between two calls.

    Attributes:
        what: One of the words of a special step.
        value: What it is given.
        at_us: When.
    """

    what: str
    value: object
    at_us: int


@dataclass(frozen=True, slots=True)
class Case:
    """One bypass and its twin.

    Attributes:
        id: `route/file` or `route/file:name`.
        route: The folder.
        why: What an attacker hopes for.
        policy: The text of handrail.yaml.
        attack: Steps of which at least one is stopped.
        twin: Steps that are all allowed.
        roads: Roads that can express it.
        because: Why the others cannot, `""` when all can.
        tools: Every tool that a step calls or the policy declares.
        defaults: What a tool's signature or schema fills in, by tool.
    """

    id: str
    route: str
    why: str
    policy: str
    attack: tuple
    twin: tuple
    roads: tuple
    because: str
    tools: tuple
    defaults: dict

    def steps(self, side):
        """Return the steps of `attack` or `twin`."""
        return self.attack if side == "attack" else self.twin


def seconds(text):
    """Return a duration such as `10m` or `1d12h`, in seconds."""
    parts = re.findall(r"(\d+)([smhd])", text)
    if not parts or "".join(map("".join, parts)) != text:
        raise CorpusError(f"{text!r} is no duration such as 10m or 1d12h.")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


class _Steps:
    """Reads the steps of one side; the clock goes on from step to step."""

    def __init__(self, where, agent):
        self.where = where
        self.agent = agent
        self.now_us = START_US
        self.number = 0

    def read(self, steps):
        found = []
        for step in steps:
            self.number += 1
            found += self._step(dict(step), f"{self.where} step {self.number}")
        return tuple(found)

    def _step(self, step, where):
        special = _SPECIAL & step.keys()
        if special:
            (what,) = special
            if what == "wait":
                self.now_us += seconds(step["wait"]) * 1_000_000
                return []
            return [Special(what, step[what], self.now_us)]
        flood, times = step.pop("flood", None), step.get("times", 1)
        unknown = step.keys() - _STEP
        if unknown or "tool" not in step:
            raise CorpusError(f"{where}: it has no 'tool', or a key that no step has: {sorted(unknown)}.")
        if flood is not None:
            call = self._call(step, where)
            self.now_us += flood
            return [Flood(flood, call)]
        text = json.dumps(step)
        return [self._call(json.loads(text.replace("{n}", str(number))), where) for number in range(times)]

    def _call(self, step, where):
        at_us = instant(step["at"]) if "at" in step else self.now_us + TICK_US
        if at_us < self.now_us:
            raise CorpusError(f"{where}: its time is before that of the step before it.")
        self.now_us = ended_us = at_us
        if "ended_at" in step:
            ended_us = instant(step["ended_at"])
        elif "takes" in step:
            ended_us = at_us + seconds(step["takes"]) * 1_000_000
        if step.get("expect", "allow") not in ("allow", "ask", "deny"):
            raise CorpusError(f"{where}: 'expect' is allow, ask or deny.")
        return Call(
            f"{where} ({step['tool']})", step.get("agent", self.agent), step.get("run", "r"), step.get("call"),
            step["tool"], step.get("args", {}), "result" in step, step.get("result"), step.get("error"),
            step.get("cut_off", False), step.get("before"), step.get("seen"), at_us, ended_us, step.get("parent"),
            step.get("expect", "allow"),
        )  # fmt: skip


def _case(path, policy, declared, said, outer):
    unknown = said.keys() - _CASE
    name = said.get("name", "")
    id = f"{path.parent.name}/{path.stem}" + (f":{name}" if name else "")
    if unknown or not {"attack", "twin"} <= said.keys():
        raise CorpusError(f"{id}: a case has 'attack' and 'twin', and no key {sorted(unknown)}.")
    roads, because = said.get("roads", outer.get("roads", ROADS)), said.get("because", outer.get("because", ""))
    agent = next(iter(declared["agents"]))
    sides = [_Steps(f"{id} {side}", agent).read(said[side]) for side in ("attack", "twin")]
    called = [step.call if isinstance(step, Flood) else step for side in sides for step in side]
    tools = sorted({*declared.get("tools", ()), *(step.tool for step in called if isinstance(step, Call))})
    why = said.get("why", outer.get("why", ""))
    defaults = said.get("defaults", outer.get("defaults", {}))
    return Case(id, path.parent.name, why, policy, *sides, tuple(roads), because, tuple(tools), defaults)


def read(path):
    """Return the cases of one file."""
    yaml = YAML(typ="safe", pure=True)
    document = yaml.load(path.read_text(encoding="utf-8"))
    unknown = document.keys() - _FILE
    if unknown or "policy" not in document:
        raise CorpusError(f"{path.name}: it has no 'policy', or a key that no file has: {sorted(unknown)}.")
    policy = document["policy"]
    declared = yaml.load(policy)
    if "cases" not in document:
        said = {key: value for key, value in document.items() if key != "policy"}
        return [_case(path, policy, declared, said, {})]
    return [_case(path, policy, declared, said, document) for said in document["cases"]]


def load():
    """Return every case, by route and file."""
    return [case for path in sorted(FOLDER.glob("*/*.yaml")) for case in read(path)]
