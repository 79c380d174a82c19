"""The lock: what is pinned, what is refused, and what a broken file says."""

import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.errors import ConfigurationError
from handrail.mcp.lock import (
    CHARS_MAX,
    LINE_MAX,
    LINES_MAX,
    Changes,
    Lock,
    NotPinnable,
    Pin,
    lock_beside,
    pin_of,
    pins_of,
)

TOOL = {
    "name": "get_lead",
    "title": "Get",
    "description": "Gets a lead.\nBy id.",
    "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": True},
}
OTHER = {"name": "drop", "inputSchema": {"type": "object"}}


def lock_of(**servers):
    lock = Lock()
    for server, tools in servers.items():
        lock = lock.with_pins(server, pins_of(tools))
    return lock


def test_without_a_file_nothing_is_pinned(tmp_path):
    """A lock that does not exist refuses nothing."""
    lock = Lock.load(tmp_path / "handrail.lock")
    assert not lock.exists
    assert lock.why_not("crm", TOOL) == ""
    assert lock.why_not("crm", {}) == ""


def test_a_pinned_tool_may_be_used_after_a_round_trip(tmp_path):
    """The file keeps what decides, whatever the order of keys."""
    path = tmp_path / "handrail.lock"
    lock_of(crm=[TOOL], git=[OTHER]).save(path)
    lock = Lock.load(path)
    assert lock.exists
    assert lock == lock_of(crm=[TOOL], git=[OTHER])
    assert lock.why_not("crm", dict(reversed(TOOL.items()))) == ""


@pytest.mark.parametrize("key", ["title", "description", "annotations", "inputSchema", "outputSchema"])
def test_any_pinned_part_that_changes_denies(key):
    """The sentence names the tool and the command, for an agent and for a person."""
    changed = TOOL | {key: {"type": "array"} if "chema" in key else {"x": 1} if key == "annotations" else "other"}
    assert lock_of(crm=[TOOL]).why_not("crm", changed) == (
        "Tool 'get_lead' of server 'crm' changed since it was pinned, so it is denied. A person looks and runs: "
        "handrail init --repin"
    )
    gone = {name: value for name, value in TOOL.items() if name != key}
    assert "changed since" in lock_of(crm=[TOOL]).why_not("crm", gone)


def test_what_no_model_reads_may_vary():
    """Icons, `_meta`, and null for a part that is absent."""
    lock = lock_of(crm=[OTHER])
    assert lock.why_not("crm", OTHER | {"_meta": {"x": 1}, "icons": [{}], "description": None}) == ""


def test_new_tools_and_unknown_servers_are_denied():
    """Also without a server's name, and with a name that would act on a terminal."""
    lock = lock_of(crm=[TOOL])
    assert lock.why_not("crm", OTHER | {"name": "x\x1b[2J"}) == (
        r"Tool 'x\x1b[2J' of server 'crm' is new since the tools were pinned, so it is denied. A person looks and "
        "runs: handrail init --repin"
    )
    assert lock.why_not("", TOOL) == (
        "Tool 'get_lead' of the server is denied: handrail.lock has no pins of this server. A person looks and runs: "
        "handrail init --repin"
    )
    assert "has no name" in lock.why_not("crm", {"name": 7})


def test_what_cannot_be_pinned_is_denied():
    """An integer beyond 64 bits has two readings, so such a definition has no digest."""
    big = TOOL | {"inputSchema": {"maximum": 2**70}}
    with pytest.raises(NotPinnable, match="cannot be pinned"):
        pin_of(big)
    assert "cannot be pinned" in lock_of(crm=[TOOL]).why_not("crm", big)


def test_changes_are_told_apart():
    """New, changed and gone, each in order."""
    lock = lock_of(crm=[TOOL, OTHER])
    now = pins_of([TOOL | {"title": "x"}, {"name": "b"}, {"name": "a"}])
    assert lock.changes("crm", now) == Changes(new=("b", "a"), changed=("get_lead",), gone=("drop",))
    assert not lock.changes("crm", pins_of([OTHER, TOOL]))
    assert lock.changes("other", pins_of([TOOL])) == Changes(new=("get_lead",))


def test_pins_of_one_server_leave_the_others():
    """Replaced as a whole."""
    lock = lock_of(crm=[TOOL], git=[OTHER]).with_pins("crm", {})
    assert lock.servers["crm"] == {}
    assert list(lock.servers["git"]) == ["drop"]


def test_what_is_kept_to_show_is_bounded_and_the_digest_is_not():
    """A change behind the cut is still a change."""
    long = {"name": "long", "description": "x" * 100_000, "inputSchema": {"enum": list(range(5_000))}}
    pin = pin_of(long)
    assert len(pin.says) <= LINES_MAX
    assert max(map(len, pin.says)) <= LINE_MAX + len("description: ")
    assert sum(map(len, pin.says)) <= CHARS_MAX
    other = pin_of(long | {"description": "x" * 99_999 + "y"})
    assert other.says == pin.says
    assert other.hash != pin.hash


def test_what_is_kept_reads_like_the_tool():
    """One line a line, schemas spread out."""
    assert pin_of(TOOL).says[:6] == (
        "title: Get", "description:", "Gets a lead.", "By id.", "annotations:", "{",
    )  # fmt: skip


def test_saving_replaces_the_file_as_a_whole(tmp_path):
    """Its mode stays, and nothing is left beside it."""
    path = tmp_path / "handrail.lock"
    lock_of(crm=[TOOL]).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o600)
    lock_of(crm=[OTHER]).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(Lock.load(path).servers["crm"]) == ["drop"]
    assert [one.name for one in tmp_path.iterdir()] == ["handrail.lock"]
    assert path.read_text().isascii()


def test_a_lock_that_cannot_be_written_says_so(tmp_path):
    """And leaves what was there."""
    with pytest.raises(ConfigurationError, match="cannot be written: No such file or directory"):
        lock_of(crm=[TOOL]).save(tmp_path / "no" / "handrail.lock")
    (tmp_path / "handrail.lock").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        lock_of(crm=[TOOL]).save(tmp_path / "handrail.lock")
    assert [one.name for one in tmp_path.iterdir()] == ["handrail.lock"]


HASH = "0" * 64


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting value"),
        ("[]", "no 'format': 1"),
        ('{"format": 2, "servers": {}}', "no 'format': 1"),
        ('{"format": 1}', "other keys"),
        ('{"format": 1, "servers": {}, "x": 1}', "other keys"),
        ('{"format": 1, "servers": []}', "'servers' is not an object"),
        ('{"format": 1, "servers": {"a": 7}}', "server 'a' is not an object"),
        ('{"format": 1, "servers": {"a": {"t": []}}}', "tool 't' has no hash"),
        ('{"format": 1, "servers": {"a": {"t": {"hash": "0", "says": []}}}}', "tool 't' has no hash"),
        ('{"format": 1, "servers": {"a": {"t": {"hash": "%s"}}}}'.replace("%s", HASH), "'says' of tool 't'"),
        (
            '{"format": 1, "servers": {"a": {"t": {"hash": "%s", "says": [7]}}}}'.replace("%s", HASH),
            "'says' of tool 't'",
        ),
        ('{"format": 1, "servers": {}, "servers": {}}', "a key stands twice"),
        ("[" * 100_000, "nested too deeply"),
        ("\xff", "utf-8"),
    ],
)
def test_a_broken_lock_is_one_sentence(tmp_path, text, said):
    """Nothing is pinned by half: it says what is wrong and what to do."""
    path = tmp_path / "handrail.lock"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        Lock.load(path)
    assert said in str(caught.value)
    assert "handrail init --repin" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_lock_that_cannot_be_read_is_no_missing_one(tmp_path):
    """A folder, or a file that is too large, is broken: it must not count as absent."""
    (tmp_path / "handrail.lock").mkdir()
    with pytest.raises(ConfigurationError, match="it cannot be read"):
        Lock.load(tmp_path / "handrail.lock")
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(65 * 1024 * 1024)
    with pytest.raises(ConfigurationError, match="larger than 64 MiB"):
        Lock.load(large)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.text(st.characters(codec="utf-8")), JSON, JSON)
def test_a_pin_holds_over_the_wire_and_the_file(name, description, schema):
    """Whatever JSON a tool is made of: decoded again, it is the same tool."""
    tool = {"name": name, "description": description, "inputSchema": schema}
    lock = Lock().with_pins("s", pins_of([tool]))
    again = Lock(
        {
            server: {one: Pin(pin["hash"], tuple(pin["says"])) for one, pin in pins.items()}
            for server, pins in json.loads(lock.text())["servers"].items()
        },
        exists=True,
    )
    assert again == lock
    assert again.why_not("s", json.loads(json.dumps(tool))) == ""


def test_it_stands_beside_the_policy(tmp_path):
    """Whatever the policy's name."""
    assert lock_beside(tmp_path / "ops.yaml") == tmp_path / "handrail.lock"
