"""What Handrail relies on in the package `common-expression-language`, and what it adds on top."""

import datetime as dt
import threading

import pytest

from handrail.core.digest import DEPTH_MAX
from handrail.policy import cel
from handrail.policy.cel import ConditionError, ExpressionError, Vocabulary

FREE = {"args": None, "now": None}
EFFECT = {"effect": frozenset({"verb", "zone", "labels"}), "args": None}
ARGS = {
    "n": None,
    "i": 1,
    "f": 1.0,
    "big": 2**63 + 5,
    "t": True,
    "s": "héllo",
    "e": "",
    "l": [1, 2, 3],
    "o": {"x": None, "y": {"z": "deep"}},
    "objects": [{"k": "a"}, {"k": "b"}],
}


def holds(source, args=None, **more):
    values = {"args": ARGS if args is None else args, **more}
    condition = cel.compile(source, FREE)
    return condition.test(cel.context(condition.needs, values))


HOLDS = [
    "args.i == 1",
    "args.i == 1.0",
    "args.f == 1",
    "args.i < 1.5",
    "args.big > 5",
    "args.big > 9223372036854775807",
    "args.t",
    "!(args.i == 2)",
    "args.n == null",
    "args.n != 1",
    'args.s != "x" && args.e == ""',
    "has(args.i) && !has(args.missing) && has(args.n)",
    "has(args.o.x) && !has(args.o.gone)",
    "1 in args.l && !(4 in args.l)",
    '"i" in args && !("missing" in args)',
    'args.i in [1, 2] && args.s in ["héllo"]',
    "size(args.s) == 5 || size(args.s) == 6",
    "size(args.l) == 3 && args.l.size() == 3",
    'args.s.startsWith("h") && args.s.endsWith("o") && args.s.contains("ll")',
    r'args.s.matches("^h.*o$") && !args.s.matches("^x")',
    "args.l.exists(x, x > 2) && args.l.all(x, x > 0) && args.l.exists_one(x, x == 1)",
    'args.objects.exists(o, o.k == "b")',
    "args.l.filter(x, x > 1).size() == 2 && args.l.map(x, x * 2)[0] == 2",
    "args.l.map(x, args.l.exists(y, y == x)).size() == 3",
    'duration("1h") > duration("59m")',
    'timestamp("2020-01-01T00:00:00Z") + duration("1h") == timestamp("2020-01-01T01:00:00Z")',
    'timestamp("2020-01-01T00:00:00Z").getFullYear() == 2020',
    "type(args.i) == int && type(args.s) == string && type(args.l) == list && type(args.o) == map",
    'int("5") == 5 && string(1) == "1" && double("1.5") == 1.5',
    'args["s"] == args.s',
    'args.o.y.z == "deep" // a comment',
    "args.i == 1 ? true : false",
    "args.missing == 1 || true",
    "!(args.missing == 1 && false)",
    "true",
]


@pytest.mark.parametrize("source", HOLDS)
def test_what_holds(source):
    """The semantics that policies are written in."""
    assert holds(source) is True


ERRS = {
    "args.missing == 1": "args.missing is missing",
    "args.o.y.gone == 1": "args.o.y.gone is missing",
    "has(args.gone.x)": "gone",
    "args.n.x == 1": "does not fit the values",
    "args.n < 1": "does not fit the values",
    "args.s < 1": "does not fit the values",
    'args.s + 1 == "x"': "does not fit the values",
    '"a" in args.s': "does not fit the values",
    'args.n.startsWith("x")': "'startsWith' does not fit",
    "args.l[7] == 1": "IndexError",
    "args.i / 0 == 1": "ZeroDivision",
    "9223372036854775807 + args.i == 1": "Overflow",
    "args.i": "gives no yes or no",
    "args.s": "gives no yes or no",
    "args.n": "gives no yes or no",
    "args.s.matches(args.l)": "'matches' does not fit",
    "args.s == 'x' || args.missing == 1": "args.missing is missing",
}


@pytest.mark.parametrize("source", ERRS)
def test_what_errs(source):
    """A condition that cannot be decided raises; it is never taken for false."""
    with pytest.raises(ConditionError, match=ERRS[source].replace("(", r"\(")):
        holds(source)


def test_a_variable_without_value_errs():
    """A variable that has no value at this point is an error, not null."""
    condition = cel.compile("args.i == 1", FREE)
    with pytest.raises(ConditionError, match="there is no args at this point"):
        condition.test(cel.context(condition.needs, {}))


def test_a_panic_of_the_evaluator_is_an_error():
    """Whatever the native code raises, BaseException included, becomes a ConditionError."""

    class PanicException(BaseException):
        pass

    def panic(context):
        raise PanicException("native")

    with pytest.raises(ConditionError, match=r"cannot be computed .*PanicException"):
        cel.Condition("x", frozenset(), {}, (), panic).test(None)


def test_an_interrupt_goes_through():
    """Ctrl-C is not swallowed."""

    def interrupt(context):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cel.Condition("x", frozenset(), {}, (), interrupt).test(None)


def test_now_is_a_timestamp():
    """An aware datetime is a CEL timestamp."""
    now = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    assert holds('now > timestamp("2029-01-01T00:00:00Z")', now=now)
    assert holds('now - timestamp("2029-12-31T00:00:00Z") <= duration("24h")', now=now)


def test_values_at_the_depth_limit_do_not_crash():
    """What digest.to_json lets through, the evaluator survives, on threads with their smaller stacks too."""
    value = 1
    for _ in range(DEPTH_MAX - 1):
        value = [value]
    seen = []
    thread = threading.Thread(target=lambda: seen.append(holds("size(args.v) == 1", {"v": value})))
    thread.start()
    thread.join()
    assert seen == [True]


def test_the_largest_conditions_do_not_crash():
    """At the limits of length and nesting, the parser and the evaluator survive."""
    for source in [
        "!" * 3_000 + "true",
        "||".join(["true"] * 600),
        "(" * 64 + "true" + ")" * 64,
        "-" * 2_000 + "1 > 0",
    ]:
        assert isinstance(holds(source), bool)
    deep = "args.l.exists(a0, " + "".join(f"args.l.exists(a{n}, " for n in range(1, 30)) + "true" + ")" * 30
    assert holds(deep)


def test_threads_share_a_condition():
    """A program may be evaluated by many threads at once, each with its own context."""
    condition = cel.compile("args.l.exists(x, x == args.i)", FREE)
    wrong = []

    def work(number):
        for _ in range(300):
            values = {"args": {"l": [number], "i": number}}
            if not condition.test(cel.context(condition.needs, values)):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


REFUSED = {
    "args.a = 1": (7, "Compare with '=='"),
    "args.a == 1 and args.b == 2": (12, "write '&&'"),
    "args.a ==": (9, "not a condition"),
    '"open': (0, "not closed"),
    "args.a == `x`": (10, "means nothing"),
    "": (0, "empty"),
    "  ": (0, "empty"),
    "arg.a == 1": (0, "Did you mean 'args'"),
    "effect.zon == 'x'": (7, "Did you mean 'zone'"),
    'effect["zon"] == "x"': (7, "Did you mean 'zone'"),
    "result.x == 1": (0, "Known here: args, effect"),
    "foo(args.a)": (0, "no function 'foo'"),
    "args.a.startswith('x')": (7, "Did you mean 'startsWith'"),
    "args.a.lowerAscii() == 'x'": (7, "no function 'lowerAscii'"),
    "startsWith(args.a, 'x')": (0, "value.startsWith"),
    "optional.of(1) == 1": (0, "'optional' is not known"),
    "args.l.exists(1, true)": (14, "simple name"),
    "args.l.exists(args, args > 1)": (14, "hides"),
    "args.l.exists(x, x > 1) && x == 1": (27, "'x' is not known"),
    "args.s.matches('(')": (15, "is not a pattern"),
    "timestamp('today') == args.t": (10, "is not a time"),
    "duration('soon') == args.t": (9, "is not a duration"),
    "effect.zone": (0, "is no yes or no"),
    "effect.verb == 'updat'": (15, "Did you mean 'update'"),
    "'updat' != effect.verb": (0, "Did you mean 'update'"),
    "effect.verb in ['read', 'updat']": (24, "Did you mean 'update'"),
    "effect.zone == 'prod'": (15, "Write 'production'"),
    "Foo{a: 1} == args.a": (0, "cannot be constructed"),
    ".args.a == 1": (1, "dot"),
    "args.a == 99999999999999999999": (10, "not a condition"),
    "(" * 65 + "true" + ")" * 65: (64, "brackets"),
    "true || " * 600 + "true": (0, "longer than"),
}
VOCABULARIES = {
    ("effect", "verb"): Vocabulary("verb", frozenset({"read", "update"})),
    ("effect", "zone"): Vocabulary("zone", frozenset({"production"}), {"prod": "production"}),
}


@pytest.mark.parametrize("source", REFUSED)
def test_what_does_not_compile(source):
    """Unknown names, members, functions and words, and bad syntax, are found at load, with their place."""
    offset, message = REFUSED[source]
    with pytest.raises(ExpressionError) as caught:
        cel.compile(source, EFFECT, VOCABULARIES)
    assert any(at == offset and message in text for at, text in caught.value.problems), caught.value.problems


def test_all_problems_of_an_expression_are_found():
    """Not only the first one."""
    with pytest.raises(ExpressionError) as caught:
        cel.compile("effect.zon == 'x' && foo(1) && argz.a", EFFECT)
    assert [at for at, _ in caught.value.problems] == [7, 21, 31]


def test_text_literals_are_not_read_as_names():
    """What stands inside quotes names nothing, whatever the quotes."""
    for literal in ['"effect.zon"', "'foo(1)'", 'r"\\d{arg}"', '"""x " y"""', r'"a\"b.c"']:
        assert cel.compile(f"args.a == {literal}", EFFECT).names == {"args"}


def test_a_condition_needs_only_what_it_names():
    """The context holds only the members that conditions name, since conversion is the cost."""
    one = cel.compile('effect.zone == "x" && args.a.b == 1', EFFECT)
    two = cel.compile("args.c == 1 && args.l.exists(x, x.d == 1)", EFFECT)
    three = cel.compile("'k' in args", EFFECT)
    assert cel.merge([one, two]) == {"effect": {"zone"}, "args": {"a", "c", "l"}}
    assert cel.merge([one, two, three])["args"] is None
    assert one.paths == (("effect", "zone"), ("args", "a", "b"))


def test_a_narrowed_context_still_knows_what_is_missing():
    """Leaving out members that no condition names changes no answer."""
    condition = cel.compile("has(args.a) || has(args.b)", EFFECT)
    context = cel.context(condition.needs, {"args": {"c": 1, "d": 2, "e": 3}})
    assert condition.test(context) is False


@pytest.mark.parametrize(
    "source",
    [
        "int(args.p) > 5", "timestamp(args.p) > timestamp('2020-01-01T00:00:00Z')", "duration(args.p) > duration('1s')",
        "'x'.matches(args.p)", "args.m[args.p] == 1", "args.n + 1 > 0", "args.l[args.n] == 1", "args.p.x == 1", "-args.p == 1",
    ],
)  # fmt: skip
def test_no_sentence_about_an_error_quotes_a_value(source):
    """A value may be secret."""
    values = {"args": {"p": "SECRET(", "m": {}, "l": [], "n": 9223372036854775807}}
    compiled = cel.compile(source, {"args": None})
    with pytest.raises(ConditionError) as raised:
        compiled.test(cel.context(compiled.needs, values))
    assert "SECRET" not in str(raised.value)
    assert "9223372036854775807" not in str(raised.value)
