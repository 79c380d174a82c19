import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.policy.normal import INSENSITIVE, normaliser

normalise = normaliser()

SAME = [
    ("instance/i-1", "instance/I-1", "INSTANCE/i-1", " instance/i-1 ", "instance/ i-1"),
    (
        "instance/i-1",
        "instance/arn:aws:ec2:eu-west-1:123:instance/i-1",
        "arn:aws:ec2:eu-west-1:123:instance/I-1",
        "instance/ARN:aws:ec2:us-east-1:9:instance:i-1",
        "instance/arn:a:b:c:d:instance/arn:aws:ec2:x:1:instance/i-1",
    ),
    ("role/admin/root", "role/arn:aws:iam::1:role/admin/root"),
    (
        "file//etc/hosts",
        "file//etc//hosts",
        "file//etc/./hosts",
        "file//etc/x/../hosts",
        "file/\\etc\\hosts",
        "file//../etc/hosts",
    ),
    (
        "file//etc/hosts",
        "file/file:///etc/hosts",
        "file:///etc/hosts",
        "file/file://localhost/etc/%68osts",
        "file//etc/hosts/",
    ),
    ("path/a/b", "path/./a//b", "path/a/c/../b/"),
    ("file/../x", "file/./../x", "file/a/../../x"),
    ("email/a@example.com", "email/A@Example.COM"),
    ("host/db.example.com", "host/DB.example.com."),
    (
        "url/https://example.com/a",
        "https://EXAMPLE.com:443/a",
        "url/HTTPS://example.com/./x/../a#part",
        "url/https://example.com./%61",
        "url/https://example.com\\a".replace("\\", "/"),
    ),
    (
        "url/https://example.com/a",
        "https://x@example.com/a",
        "https://x:y@z@example.com/a",
        "https://@example.com/a",
        "https://example.com/a?",
        "https://example.com/a?#x",
        "https://ex\tample.com/a",
        "ht\ntps://example.com/\ra",
        "\x01https://example.com/a\x00",
        "url/\x01https://example.com/a\x00",
        "https:/example.com/a",
        "https:example.com/a",
        "https:///example.com/a",
        "https:\\\\example.com\\a",
        "https:\\example.com/a",
        "url/https:\\\\example.com\\a",
        "url/https:/example.com/a",
        "https://example.com\\a",
    ),
    ("page/https://h/a", "page/https:/h/a", "page/ht\ttps:\\\\u@h\\a?"),
    ("url/postgresql://db/x", "postgresql://user:pw@db:5432/x"),
    ("file//etc/hosts", "file:/etc/hosts", "fi\tle:\\etc\\hosts"),
    ("url/http://h/%2F", "url/http://h/%2f"),
    ("url/https://h/", "url/https://h", "url/https://h:443"),
    ("page/https://h/a", "page/HTTPS://H/a#x"),
    ("lead/caf\u00e9", "lead/cafe\u0301"),
]


@pytest.mark.parametrize("group", SAME, ids=lambda group: group[0])
def test_ways_of_writing_the_same_thing(group):
    """Spellings of one resource give one id: the first of the group."""
    assert {normalise(text) for text in group} == {group[0]}


DIFFERENT = [
    ("lead/A", "lead/a"),
    ("file/A", "file/a"),
    ("url/https://h/A", "url/https://h/a"),
    ("url/https://h/a", "url/https://h/a/"),
    ("url/https://h/a?x=1", "url/https://h/a?x=2"),
    ("url/http://h/", "url/https://h/"),
    ("url/https://h/a?", "url/https://h/a?x"),
    ("url/https://h/a?x=1\\2", "url/https://h/a?x=1/2"),
    ("lead/a\tb", "lead/ab"),
    ("topic/http: a guide", "topic/http://a guide"),
    ("url/http://h/%2F", "url/http://h//"),
    ("instance/a b", "instance/ab"),
    ("lead/a/../b", "lead/b"),
    ("topic/arn:aws:sns:eu:1:a", "topic/a"),
    ("lead/1", "order/1"),
]


@pytest.mark.parametrize("pair", DIFFERENT, ids=lambda pair: pair[0])
def test_what_stays_apart(pair):
    """Different resources keep different ids."""
    assert normalise(pair[0]) != normalise(pair[1])


def test_the_policy_decides_about_case():
    """Kinds that the policy names have no case; a default can be taken back."""
    mine = normaliser(frozenset({"lead"}))
    assert mine("lead/ABC") == "lead/abc"
    assert mine("instance/I-1") == "instance/I-1"
    assert "instance" in INSENSITIVE


PIECES = st.sampled_from(
    ["instance/", "file/", "url/", "host/", "https://", "https:", "wss:/", "ssh://", "file:", "file://", "arn:a:b:c:d:", "instance", ":", "/", "..", ".", "%", "%2e", "%25",
     "41", "A", "b", " ", "\\", "#", "?", "@", "\t", "\n", "\x01", ":443", "\u0301", "\u00c9", "\u0130", "\ufb01", "\u1e9e", "\u0345", "\u3002", "xn--a"]
)  # fmt: skip


@given(st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=40)))
def test_normalising_twice_changes_nothing(text):
    """Idempotent, whatever an agent writes."""
    once = normalise(text)
    assert normalise(once) == once
