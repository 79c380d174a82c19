"""What a tool acts on: templates from required arguments only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.effect import Verb
from handrail.draft.aim import Aim, aim
from handrail.policy.paths import template


def of(name, verb=Verb.READ, optional=(), **types):
    properties = {key: {"type": kind} for key, kind in types.items()}
    required = [key for key in types if key not in optional]
    return aim({"name": name, "inputSchema": {"properties": properties, "required": required}}, verb)


@pytest.mark.parametrize(
    ("name", "types", "resource"),
    [
        ("read_file", {"path": "string"}, "file/{args.path}"),
        ("git_status", {"repo_path": "string"}, "file/{args.repo_path}"),
        ("fetch", {"url": "string"}, "url/{args.url}"),
        ("read_resource", {"uri": "string"}, "{args.uri}"),
        ("get_lead", {"id": "string"}, "lead/{args.id}"),
        ("get_thing", {"leadId": "integer"}, "lead/{args.leadId}"),
        ("get", {"id": "string"}, "item/{args.id}"),
        ("describe_table", {"table_name": "string"}, "table/{args.table_name}"),
        ("drop", {"table": "string"}, "table/{args.table}"),
        ("get_issue", {"owner": "string", "repo": "string", "issue_number": "integer"},
         "issue/{args.owner}/{args.repo}/{args.issue_number}"),
        ("list_issues", {"owner": "string", "repo": "string"}, "repo/{args.owner}/{args.repo}"),
        ("search", {"query": "string"}, None),
        ("get_lead", {"id": "array"}, None),
        ("get_lead", {"od d.id": "string"}, None),
        ("list", {}, None),
    ],
)  # fmt: skip
def test_the_resource_of_a_call(name, types, resource):
    """Addresses and paths first, then ids with their kind."""
    assert of(name, **types) == Aim(resource)


def test_an_argument_that_may_be_absent_does_not_count():
    """Its template would deny the call that works today."""
    assert of("read_file", path="string", optional=["path"]) == Aim()


def test_copies_and_moves_have_two_ends():
    """Otherwise one."""
    both = of("move_file", Verb.MOVE, source="string", destination="string")
    assert both == Aim("file/{args.source}", "file/{args.destination}")
    assert of("copy", Verb.COPY, source="string") == Aim("file/{args.source}")


def test_what_is_sent_goes_to_somebody():
    """An address has no case when it is an email's."""
    assert of("send_email", Verb.SEND, to="string") == Aim("email/{args.to}")
    assert of("post_message", Verb.SEND, channel_id="string") == Aim("recipient/{args.channel_id}")
    assert of("send", Verb.SEND, url="string") == Aim("url/{args.url}")


def test_a_payment_has_an_amount_of_whole_units():
    """A number with a fraction is none."""
    assert of("refund", Verb.PAY, order_id="string", amount="integer") == Aim(
        "order/{args.order_id}", None, "args.amount"
    )
    assert of("refund", Verb.PAY, order_id="string", amount="number").amount is None


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(["string", "id", "path", "to", "uri"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "id", "path", "a}b", "properties", "required"]) | st.text(), inner),
)  # fmt: skip


@given(st.text(), ANYTHING, ANYTHING, st.sampled_from(list(Verb)))
def test_whatever_a_schema_is_templates_compile(name, properties, required, verb):
    """No server can write a template that breaks the policy."""
    found = aim({"name": name, "inputSchema": {"properties": properties, "required": required}}, verb)
    for text in (found.resource, found.to):
        if text is not None:
            assert template(text, ("args",)).needs("args")
