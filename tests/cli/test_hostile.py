"""Whatever agents, tools and files write: nothing acts, hides or reorders on any surface, and nothing is read as markup."""

import json
import re
import shutil
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import handrail
from handrail.core.facts import Latch
from handrail.core.record import Record, RecordKind
from handrail.core.text import _HIDDEN
from handrail.core.ticket import Grant, TicketState
from handrail.stores.sqlite import SqliteStore

NASTY = [
    "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "a\rb", "line\nbreak", "tab\tbed", "\x00nul", "\x7fdel", "\x9bcsi", "\u202eevil",
    "\u2066iso\u2069", "zero\u200bwidth", "\ufeffbom", "soft\u00adhyphen", "\u2028sep", "\U000e0041tag", "\u3164blank",
    "z" + "\u0301" * 30, "[red]markup[/red]", "[link=https://x.example]y[/link]", "[/]", ":warning:", "\\[bold]", "\\",
    "… (+12 chars)", "\ud83d\ude00", "\U0001f600", "𝕳", "עברית", "-- ; rm -rf /", "{?}", "'quoted'", "%s {0}", "x" * 500,
]  # fmt: skip
TEXT = st.one_of(
    st.lists(st.sampled_from(NASTY[:-1]), min_size=3, max_size=6).map("".join),
    st.sampled_from(NASTY).filter(lambda text: "\ud83d" not in text),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.builds(
        lambda one, two: one + two, st.sampled_from([n for n in NASTY if "\ud83d" not in n]), st.text(max_size=10)
    ),
).filter(lambda text: text.isascii() or _encodes(text))

BAD = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ANSI = re.compile(r"\x1b")


def _encodes(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def assert_clean(printed):
    """No character acts, hides or reorders."""
    for char in printed:
        if char != "\n":
            assert unicodedata.category(char) not in BAD, f"{char!r} in {printed!r}"
            assert char not in _HIDDEN, f"{char!r} in {printed!r}"
    assert not re.search("[\u0300-\u036f]{6}", printed)


def fill(project, text, other):
    """Put hostile text everywhere it can stand, through real calls and the store port; return a ticket and an action."""
    project.leads[text] = {"id": text, "company_size": other, "name": text, text or "k": other}
    held = project.call(
        "crm.update_lead", run=text or "r", call=other or None, id=text, company_size=40, note=other, env="live"
    )
    project.call("mail.send", run=text or "r", to="broken", body=text)
    project.call("mail.send", run=other or "r", to=text, body=other)
    project.call("files.copy", run=text or "r", src=text, dst=other)
    ticket = held.ticket if isinstance(held, handrail.ReviewRequired) else None
    store = SqliteStore(project.folder / ".handrail" / "handrail.db")

    def step(tx):
        body = {"why": text, text: other, "findings": [{"gate": text, "rule": other, "why": text}], "effects": [
            {"verb": text, "resource": other, "to": text, "zone": other}], "ticket": text}  # fmt: skip
        tx.append(Record(RecordKind.ATTEMPT, "act", text, text, text, text, "denied", other, body))
        tx.append(Record(RecordKind.OUTCOME, "act", text, other, text, other, text, text, body))
        tx.append(Record(RecordKind.EVENT, "act", reason=text, body={"by": text, "why": other}))
        tx.append(Record(RecordKind.REVIEW, "act", reason=text, body={"ticket": text}))
        tx.put_latch(Latch(text, other, text, tx.now_us))
        tx.put_grant(Grant("G-1", text, other, (text,), {text: other}, 0, 5, tx.now_us + 10**12, text, "p"))
        if ticket is not None:
            known = tx.ticket(ticket)
            view = {**known.view, **body, "args": {text: other, "note": text}, "before": {text: text}, "undo": text,
                    "goal": other, "resource": text}  # fmt: skip
            tx.put_ticket(
                replace(
                    known, id="T-HOSTILE", agent=text, owner=other, run=text, tool=other, view=view, by=text, note=other
                )
            )
            tx.put_ticket(replace(known, id="T-PAST", state=TicketState.DENIED, by=text, note=other, view=view))

    store.transact(step)
    store.close()
    return ticket


@pytest.fixture
def fresh(staffed, tmp_path):
    """Begins each example with an empty store and the same reviewers."""
    source = tmp_path / ".handrail" / "handrail.db"
    clean = source.read_bytes()

    def begin():
        shutil.rmtree(source.parent)
        source.parent.mkdir(mode=0o700)
        source.write_bytes(clean)
        staffed.leads.clear()
        return staffed

    return begin


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=TEXT, other=TEXT)
def test_every_surface_is_safe_to_print(fresh, text, other):
    """For people and for machines, successes and errors."""
    project = fresh()
    ticket = fill(project, text, other)
    shown = [["review", "show", name] for name in ("T-HOSTILE", "T-PAST", ticket) if ticket and name]
    surfaces = [
        ["review", "list"], ["review", "list", "--all"], ["review", "grants", "--all"], ["reviewer", "list"],
        ["log"], ["log", "show", "act"], ["log", "verify"], ["start", "lead-enricher"], *shown,
        # errors: what was typed comes back
        ["review", "show", f"x{text}"], ["log", "show", f"x{text}"], ["stop", f"x{text}", "--why", "w"],
        ["start", f"x{other}y"], [f"x{text}"], ["review", "list", f"--x{text}"], ["log", "--status", f"x{text}"],
        ["log", "--run", text], ["log", "prune", "--before", f"x{text}"], ["reviewer", "add", f"x{text}"],
        ["log", "--policy", f"x{text.replace(chr(0), '')}.yaml"], ["log", "--store", f"x{text}"],
    ]  # fmt: skip
    for words in surfaces:
        result = project.run(*words)
        assert_clean(result.output)
        machine = project.run(*words, "--json")
        assert machine.stdout.isascii()
        assert_clean(machine.output)
        for line in machine.stdout.splitlines():
            json.loads(line)


def test_markup_is_text(staffed):
    """It is printed as it was written."""
    staffed.leads["[red]x[/red]"] = {"id": "[red]x[/red]", "company_size": 1}
    ticket = staffed.hold(id="[red]x[/red]", note="[bold]please :warning: approve[/bold]")
    shown = staffed.ok("review", "show", ticket)
    assert "wants to update 'lead/[red]x[/red]' in zone production" in shown
    assert "| [bold]please :warning: approve[/bold]" in shown
    assert "lead/[red]x[/red]" in staffed.ok("log")
    assert not ANSI.search(shown)


def test_a_name_cannot_pass_for_our_sentence(staffed):
    """What is more than a name stands in quotes."""
    name = "1 with crm.get_lead. Nothing to see; lead"
    staffed.leads[name] = {"id": name, "company_size": 1}
    told = staffed.ok("review", "show", staffed.hold(id=name)).splitlines()[0]
    assert told == f"lead-enricher wants to update 'lead/{name}' in zone production with crm.update_lead."


def test_json_keeps_every_character(staffed):
    """Escaped, not replaced."""
    text = "a\x1b[2J\u202e\u200b[red]"
    ticket = staffed.hold(note=text + " three words")
    assert staffed.json("review", "show", ticket)["untrusted_words"][0]["text"] == text + " three words"


def test_a_terminal_that_lacks_a_character_gets_its_escape(staffed):
    """Printing never fails for want of an encoding."""
    import subprocess
    import sys

    staffed.call("mail.send", to="日本")
    env = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(path for path in sys.path if path), "PATH": ""}
    ended = subprocess.run(
        [sys.executable, "-m", "handrail", "log"],
        cwd=staffed.folder,
        env=env,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert b"\\u65e5\\u672c" in ended.stdout
