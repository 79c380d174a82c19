"""JSON resources against a real server: every change, every misbehaviour, and what is never sent or shown."""

import json
import threading

import pytest
from tests.data.resources.server import running

from handrail.data.resources import (
    ABSENT,
    UNKNOWN,
    Conflict,
    CreateJson,
    DeleteJson,
    HttpResources,
    InDoubt,
    NotApplied,
    PatchJson,
    Precondition,
    PutJson,
    Receipt,
    Refused,
    Stale,
    UndoKind,
    Undone,
)
from handrail.data.resources.durable import replace_file


@pytest.fixture
def server():
    with running() as server:
        server.docs["lead/1"] = {"name": "Ann", "size": 5}
        yield server


@pytest.fixture
def adapter(server, tmp_path):
    return HttpResources(
        server.base, tmp_path / "ours", honours_if_match=True, headers={"Authorization": "Bearer s3cret"}, timeout_s=2
    )


@pytest.fixture
def lax(server, tmp_path):
    """The same on a server that nobody declared to compare."""
    return HttpResources(server.base, tmp_path / "ours", timeout_s=2)


def versions(adapter, change):
    preview = adapter.preview(change)
    assert not isinstance(preview, Refused), preview
    return preview.versions


def make(adapter, change, key="k"):
    receipt = adapter.apply(change, versions(adapter, change), key)
    assert isinstance(receipt, Receipt), receipt
    return receipt


OLD = {"name": "Ann", "size": 5}
PUT = PutJson("lead/1", {"name": "Bob"})
CHANGES = [
    (PUT, {"lead/1": {"name": "Bob"}}),
    (PatchJson("lead/1", {"size": None, "city": "Rome"}), {"lead/1": {"name": "Ann", "city": "Rome"}}),
    (CreateJson("lead/2", {"name": "Eve"}), {"lead/1": OLD, "lead/2": {"name": "Eve"}}),
    (DeleteJson("lead/1"), {}),
]
NAMES = ["put", "patch", "create", "delete"]
each_change = pytest.mark.parametrize(("change", "after"), CHANGES, ids=NAMES)


@each_change
@pytest.mark.parametrize("etags", ["strong", "weak", "none"])
def test_a_change_is_made_and_taken_back(adapter, server, change, after, etags):
    """With or without tags; the receipt says what kept it from overwriting."""
    server.etags = etags
    receipt = make(adapter, change)
    assert server.docs == after
    compares = etags == "strong" or isinstance(change, CreateJson)
    assert receipt.precondition is (Precondition.ATOMIC if compares else Precondition.CHECK_THEN_ACT)
    assert adapter.apply(change, {change.id: receipt.touched[0].before}, "k") == receipt == adapter.decide("k")
    assert len(server.writes()) == 1
    assert isinstance(adapter.undo(receipt), Undone)
    assert server.docs == {"lead/1": OLD}
    assert isinstance(adapter.undo(receipt), Undone)
    assert isinstance(adapter.apply(change, {change.id: receipt.touched[0].before}, "k"), Refused)
    assert len(server.writes()) == 2


@each_change
def test_the_request_carries_precondition_and_key(adapter, server, change, after):
    """If-Match of the version that was planned, or If-None-Match for what must not exist; a weak tag is not sent."""
    tag = server.etag(change.id)
    make(adapter, change)
    (_, _, headers, _) = server.writes()[0]
    assert headers["Idempotency-Key"] == "k"
    assert (headers.get("If-Match"), headers.get("If-None-Match")) == ((tag, None) if tag else (None, "*"))
    server.etags = "weak"
    change = PutJson("lead/9", {}) if "lead/1" not in server.docs else PutJson("lead/1", {"x": 1})
    if change.id in server.docs:
        make(adapter, change, "weak")
        assert "If-Match" not in server.writes()[-1][2]


@each_change
def test_a_preview_only_reads(adapter, server, change, after):
    """It shows both representations and asks the server for nothing but the resource."""
    preview = adapter.preview(change)
    (picture,) = preview.pictures
    assert picture.after == after.get(change.id)
    assert picture.before == server.docs.get(change.id)
    assert server.writes() == []


@each_change
def test_stale_before_sending(adapter, server, change, after):
    """Somebody wrote after the preview: nothing is sent."""
    expected = versions(adapter, change)
    server.docs[change.id] = {"theirs": True}
    stale = adapter.apply(change, expected, "k")
    assert isinstance(stale, Stale)
    assert stale.clashes[0].recorded == expected[change.id]
    assert server.writes() == []


@each_change
def test_stale_by_the_servers_word(adapter, server, change, after):
    """Somebody wrote between our read and our write: 412, and theirs stays."""
    expected = versions(adapter, change)
    server.script = [lambda: server.docs.update({change.id: {"theirs": True}})]
    stale = adapter.apply(change, expected, "k")
    assert isinstance(stale, Stale)
    assert stale.clashes[0].current == UNKNOWN
    assert server.docs[change.id] == {"theirs": True}
    assert isinstance(adapter.decide("k"), NotApplied)


@each_change
def test_an_undo_leaves_a_later_write_alone(adapter, server, change, after):
    """Whether it was there before the undo read, or came in between."""
    receipt = make(adapter, change)
    server.script = [lambda: server.docs.update({change.id: {"theirs": 1}})]
    late = adapter.undo(receipt)
    assert isinstance(late, Conflict)
    assert late.clashes[0].current == UNKNOWN
    sent = len(server.writes())
    early = adapter.undo(receipt)
    assert isinstance(early, Conflict)
    assert len(server.writes()) == sent
    assert server.docs[change.id] == {"theirs": 1}


@each_change
def test_lost_after_commit_is_seen(adapter, server, change, after):
    """The answer never came; reading shows that the change was made."""
    server.script = ["drop after"]
    receipt = make(adapter, change)
    assert server.docs == after
    assert len(server.writes()) == 1
    server.script = ["drop after"]
    assert isinstance(adapter.undo(receipt), Undone)
    assert server.docs == {"lead/1": OLD}


@each_change
@pytest.mark.parametrize(
    "trouble", ["drop before", (502, {}), (503, {"Retry_After": "7"}), (202, {}), (307, {"Location": "/api/x"})]
)
def test_lost_before_commit_may_be_repeated(adapter, server, change, after, trouble):
    """Where the server compares: the same key goes on, for change and undo, and each happens once."""
    expected = versions(adapter, change)
    server.script = [trouble]
    lost = adapter.apply(change, expected, "k")
    assert isinstance(lost, NotApplied)
    assert lost.retry_after_s == (7 if trouble == (503, {"Retry_After": "7"}) else 0)
    assert isinstance(adapter.decide("k"), NotApplied)
    receipt = adapter.apply(change, expected, "k")
    assert isinstance(receipt, Receipt)
    assert server.docs == after
    server.script = [trouble]
    assert isinstance(adapter.undo(receipt), NotApplied)
    assert isinstance(adapter.undo(receipt), Undone)
    assert server.docs == {"lead/1": OLD}


def test_a_late_request_and_its_repeat_happen_once(adapter, server):
    """The lost request arrives just before the repeated one: 412, and reading shows that it is our change."""
    expected = versions(adapter, PUT)
    server.script = ["drop before"]
    assert isinstance(adapter.apply(PUT, expected, "k"), NotApplied)
    server.script = [lambda: server.put("lead/1", {"name": "Bob"})]
    assert isinstance(adapter.apply(PUT, expected, "k"), Receipt)


def test_a_late_undo_and_its_repeat_happen_once(adapter, server):
    """The same for the way back."""
    receipt = make(adapter, PUT)
    server.script = ["drop before"]
    assert isinstance(adapter.undo(receipt), NotApplied)
    server.script = [lambda: server.put("lead/1", OLD)]
    assert isinstance(adapter.undo(receipt), Undone)


def test_a_full_disk_of_ours(adapter, server, monkeypatch):
    """What cannot be recorded is not sent; what was sent and cannot be recorded is in doubt, and decided later."""
    left = [0]

    def write(path, content):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        replace_file(path, content)

    expected = versions(adapter, PUT)
    with monkeypatch.context() as patch:
        patch.setattr("handrail.data.resources.ledger.replace_file", write)
        refused = adapter.apply(PUT, expected, "k")
        assert isinstance(refused, Refused)
        assert "not sent" in refused.why
        assert server.writes() == []
        left[0] = 1
        assert isinstance(adapter.apply(PUT, expected, "k"), InDoubt)
        assert isinstance(adapter.decide("k"), InDoubt)
    receipt = adapter.decide("k")
    assert isinstance(receipt, Receipt)
    with monkeypatch.context() as patch:
        patch.setattr("handrail.data.resources.ledger.replace_file", write)
        left[0] = 1
        assert isinstance(adapter.undo(receipt), InDoubt)
    assert isinstance(adapter.undo(receipt), Undone)
    assert len(server.writes()) == 2


def test_lost_where_nothing_compares_stays_in_doubt(lax, server):
    """It may still arrive, and a repeat could overwrite somebody: a person looks."""
    expected = versions(lax, PUT)
    server.script = ["drop before"]
    for _ in range(2):
        assert isinstance(lax.apply(PUT, expected, "k"), InDoubt)
    assert isinstance(lax.decide("k"), InDoubt)
    assert len(server.writes()) == 1


def test_lost_and_then_changed_is_in_doubt(adapter, server):
    """Neither as before nor as planned: nobody can tell, nothing is sent again."""
    expected = versions(adapter, PUT)
    server.script = [(502, {})]
    server.reads = [None, (500, b"", {})]
    lost = adapter.apply(PUT, expected, "k")
    assert isinstance(lost, InDoubt)
    assert "reading failed" in lost.why
    server.docs["lead/1"] = {"theirs": True}
    doubt = adapter.apply(PUT, expected, "k")
    assert isinstance(doubt, InDoubt)
    assert doubt.clashes[0].id == "lead/1"
    assert len(server.writes()) == 1


@pytest.mark.parametrize(
    ("status", "headers", "word", "wait_s"),
    [
        (409, {}, "contradicts", 0),
        (428, {}, "precondition", 0),
        (429, {"Retry_After": "30"}, "wait", 30),
        (401, {}, "credentials", 0),
        (422, {}, "correct", 0),
        (418, {}, "operator", 0),
    ],
)
def test_a_clear_no_changes_nothing(adapter, server, status, headers, word, wait_s):
    """The server's word is taken: refused, and the same key may be used again."""
    expected = versions(adapter, PUT)
    server.script = [(status, headers)]
    refused = adapter.apply(PUT, expected, "k")
    assert isinstance(refused, Refused)
    assert word in refused.why
    assert str(status) in refused.why
    assert refused.retry_after_s == wait_s
    receipt = adapter.apply(PUT, expected, "k")
    assert isinstance(receipt, Receipt)
    server.script = [(status, headers)]
    assert isinstance(adapter.undo(receipt), Refused)
    assert isinstance(adapter.undo(receipt), Undone)


def test_a_server_that_ignores_if_match(lax, server):
    """Declared or not, what changed before our read is never overwritten; the instant after it is what remains."""
    server.honours = False
    receipt = make(lax, PUT)
    assert receipt.precondition is Precondition.CHECK_THEN_ACT
    assert lax.traits.precondition is Precondition.CHECK_THEN_ACT
    assert lax.traits.undo is UndoKind.COMPENSATING
    server.docs["lead/1"] = {"theirs": True}
    assert isinstance(lax.undo(receipt), Conflict)
    assert isinstance(lax.apply(DeleteJson("lead/1"), {"lead/1": receipt.touched[0].after}, "d"), Stale)
    assert server.docs["lead/1"] == {"theirs": True}


def test_a_server_that_lies_is_in_doubt(adapter, server):
    """It says 200 and did nothing."""
    server.script = [(200, {})]
    doubt = adapter.apply(PUT, versions(adapter, PUT), "k")
    assert isinstance(doubt, InDoubt)
    assert "as before" in doubt.why


def test_what_changed_right_after_ours_is_not_taken_for_ours(adapter, server):
    """Without a tag in the answer, a different read-back has no version: its undo is a conflict."""
    server.reply_etag = False
    server.reads = [None, None, (200, b'{"theirs": 1}', {"Content_Type": "application/json", "ETag": '"t"'})]
    receipt = make(adapter, PUT)
    assert receipt.touched[0].after == UNKNOWN
    assert isinstance(adapter.undo(receipt), Conflict)
    assert server.docs["lead/1"] == {"name": "Bob"}


def test_members_of_the_server_do_not_count(server, tmp_path):
    """It stamps each write: neither compared nor written back."""
    server.stamps = True
    server.reply_etag = False
    server.put("lead/1", OLD)
    adapter = HttpResources(
        server.base, tmp_path / "ours", honours_if_match=True, server_fields=frozenset({"revision"}), timeout_s=2
    )
    receipt = make(adapter, PUT)
    assert receipt.touched[0].after != UNKNOWN
    assert isinstance(adapter.undo(receipt), Undone)
    assert server.docs["lead/1"] == {**OLD, "revision": 3}
    assert server.writes()[-1][3] == OLD


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (PutJson("../x", {}), "base URL"),
        (PutJson("/x", {}), "base URL"),
        (PutJson("a//b", {}), "base URL"),
        (PutJson("a\r\nX: y", {}), "base URL"),
        (PutJson("none", {}), "no resource"),
        (CreateJson("lead/1", {}), "already"),
        (PutJson("lead/1", OLD), "nothing to change"),
        (PutJson("lead/1", float("nan")), "cannot be sent"),
        (PutJson("lead/1", "x" * 5_000_000), "cannot be sent"),
        (PatchJson("text", {"a": 1}), "no JSON object"),
        (DeleteJson("none"), "no resource"),
    ],
)
def test_what_is_refused(adapter, server, change, word):
    """With one sentence, before anything is sent."""
    server.docs["text"] = "text"
    preview = adapter.preview(change)
    assert isinstance(preview, Refused)
    assert word in preview.why
    observed = adapter.observe([change.id])
    expected = observed if isinstance(observed, dict) else {change.id: ABSENT}
    assert isinstance(adapter.apply(change, expected, "k"), Refused)
    assert server.writes() == []


def test_an_id_cannot_leave_by_encoding(adapter, server):
    """Percent signs, queries and fragments are quoted."""
    assert adapter.observe(["%2e%2e/x?y#z"]) == {"%2e%2e/x?y#z": ABSENT}
    assert server.seen[-1][1] == "%252e%252e/x%3Fy%23z"


def test_two_at_once_under_one_key(adapter, server):
    """The second is told that the first is under way."""
    expected, seen = versions(adapter, PUT), []

    def meanwhile():
        seen.append(adapter.apply(PUT, expected, "k"))

    server.script = [meanwhile]
    assert isinstance(adapter.apply(PUT, expected, "k"), Receipt)
    assert isinstance(seen[0], Refused)
    assert "right now" in seen[0].why
    assert len(server.writes()) == 1


def test_a_crash_between_intent_and_answer_is_decided(adapter, server, tmp_path, monkeypatch):
    """Another process, with nothing but the ledger and the server, tells; both ways."""

    class Dead(BaseException):
        pass

    def dead(reply):
        raise Dead

    expected = versions(adapter, PUT)
    monkeypatch.setattr("handrail.data.resources.http.told", dead)
    for script, wanted in ((["drop before"], NotApplied), ([], Receipt)):
        server.script = script
        with pytest.raises(Dead):
            adapter.apply(PUT, expected, "k")
        other = HttpResources(server.base, tmp_path / "ours", honours_if_match=True, timeout_s=2)
        assert isinstance(other.decide("k"), wanted)
    monkeypatch.undo()
    assert isinstance(adapter.undo(adapter.decide("k")), Undone)


def test_secrets_are_sent_and_never_shown(adapter, server, tmp_path):
    """Not in a value, a repr, or the ledger."""
    receipt = make(adapter, PUT)
    server.reads = [(401, b"Bearer s3cret", {})]
    shown = [repr(adapter), repr(adapter._client), str(receipt), str(adapter.observe(["lead/1"]))]
    shown += [path.read_text() for path in (tmp_path / "ours").rglob("*.json")]
    assert [text for text in shown if "s3cret" in text] == []
    assert server.writes()[0][2]["Authorization"] == "Bearer s3cret"


def test_a_receipt_must_be_ours(adapter, server, tmp_path):
    """An edited one undoes nothing, and neither does one of another server."""
    receipt = make(adapter, PUT)
    value = json.loads(json.dumps(receipt.to_json()))
    assert Receipt.from_json(value) == receipt
    value["kept"]["before"] = [{"evil": True}]
    assert isinstance(adapter.undo(Receipt.from_json(value)), Refused)
    elsewhere = HttpResources("http://127.0.0.1:9/", tmp_path / "ours", honours_if_match=True)
    assert isinstance(elsewhere.undo(receipt), Refused)
    assert server.docs["lead/1"] == {"name": "Bob"}


def test_writers_at_once_never_lose_a_count(server, tmp_path):
    """Four threads count up with If-Match: every receipt is one step."""
    server.docs["n"] = {"n": 0}
    made = []

    def count(number):
        adapter = HttpResources(server.base, tmp_path / f"ours{number}", honours_if_match=True, timeout_s=5)
        for turn in range(12):
            now = adapter.preview(PutJson("n", {"n": -1}))
            change = PutJson("n", {"n": now.pictures[0].before["n"] + 1})
            made.append(type(adapter.apply(change, now.versions, f"{number}-{turn}")))

    threads = [threading.Thread(target=count, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(made) <= {Receipt, Stale}
    assert server.docs["n"] == {"n": made.count(Receipt)}


@each_change
def test_an_undo_is_previewed(adapter, lax, server, change, after):
    """It shows what comes back, writes nothing, and says when somebody wrote since."""
    receipt = make(adapter, change)
    preview = adapter.preview_undo(receipt)
    (picture,) = preview.pictures
    assert (picture.before, picture.after) == (after.get(change.id), None if change.id == "lead/2" else OLD)
    assert preview.precondition is adapter.undo_precondition(receipt) is Precondition.ATOMIC
    assert lax.undo_precondition(receipt) is Precondition.CHECK_THEN_ACT
    assert len(server.writes()) == 1
    server.docs[change.id] = {"theirs": True}
    assert isinstance(adapter.preview_undo(receipt), Conflict)


def test_the_ledger_is_asked_without_the_server(adapter, server):
    """What was applied, what is not a key; an undo in the middle has nothing to see."""
    assert adapter.recorded("k") is None
    assert isinstance(adapter.recorded("no key"), Refused)
    receipt = make(adapter, PUT)
    seen = len(server.seen)
    assert (adapter.recorded("k").state, adapter.recorded("k").receipt) == ("applied", receipt)
    assert (len(server.seen), adapter.where) == (seen, server.base)
    server.script, server.reads = ["drop before"], ["drop"] * 3
    server.reads.insert(
        0, (200, b'{"name":"Bob"}', {"Content_Type": "application/json", "ETag": server.etag("lead/1")})
    )
    assert isinstance(adapter.undo(receipt), InDoubt)
    assert adapter.preview_undo(receipt).pictures == ()
