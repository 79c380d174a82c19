import dataclasses
import enum
import functools
import inspect
import timeit
from typing import Annotated, Any, Literal, Protocol, Unpack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from handrail.contracts.arguments import compile_arguments
from handrail.contracts.schema import VIOLATIONS_MAX, ContractError

NONE = frozenset()


def run(env: str = "production", *, count: int = 1, rate: float = 1.0):
    pass


class Lead(BaseModel):
    id: int
    tags: list[str] = []


class Kind(enum.Enum):
    A = "a"


class Other:
    pass


class Options(TypedDict, total=False):
    fast: bool


class Hidden(Protocol):
    def f(self) -> int: ...


def broken(function, *args, inject=NONE, **kwargs):
    arguments = compile_arguments(function, inject=inject)
    return {one.path: one.why for one in arguments.check(arguments.bind(args, kwargs))}


def bind(function, *args, inject=NONE, **kwargs):
    return compile_arguments(function, inject=inject).bind(args, kwargs)


# --- binding ----------------------------------------------------------------------------------------------------------


def test_defaults_are_seen():
    """A default that nobody wrote is an argument, so that a rule on `env` sees "production"."""
    assert bind(run) == {"env": "production", "count": 1, "rate": 1.0}
    assert bind(run, "staging", rate=2.0) == {"env": "staging", "count": 1, "rate": 2.0}


def test_the_same_call_binds_the_same():
    """By position or by name is the same action."""

    def f(a, b, c=3):
        pass

    assert bind(f, 1, 2) == bind(f, 1, b=2) == bind(f, b=2, a=1, c=3) == bind(f, 1, 2, 3)


def test_rest_parameters():
    """*args are a list under their name; **kwargs stand under their own names."""

    def f(a, /, *rest, b=2, **more):
        pass

    assert bind(f, 1, 2, 3, c=4) == {"a": 1, "rest": [2, 3], "b": 2, "c": 4}
    assert bind(f, 1) == {"a": 1, "rest": [], "b": 2}
    assert bind(f, 1, more=5) == {"a": 1, "rest": [], "b": 2, "more": 5}


@pytest.mark.parametrize("name", ["a", "rest"])
def test_one_name_for_two_things(name):
    """A keyword argument with the name of a positional-only parameter, or of *args, is refused: it would hide one."""

    def f(a=1, /, *rest, **more):
        pass

    with pytest.raises(TypeError, match=f"'{name}' (that is also the name|parameter is positional only)"):
        bind(f, **{name: 2})


def test_injected_parameters_are_no_arguments():
    """What the program passes itself, given or not yet given, is not among the arguments."""

    def f(conn, a, *, log=None):
        pass

    inject = frozenset({"conn", "log"})
    assert bind(f, object(), 1, log=print, inject=inject) == {"a": 1}
    assert bind(f, a=1, inject=inject) == {"a": 1}
    with pytest.raises(TypeError, match="'a'"):
        bind(f, object(), inject=inject)


def test_self_of_a_method():
    """`self` is injected when declared so; a bound method has none."""

    class Crm:
        def update(self, id: int):
            pass

    assert bind(Crm.update, Crm(), 5, inject=frozenset({"self"})) == {"id": 5}
    assert bind(Crm().update, 5) == {"id": 5}


def test_coroutines_partials_wrappers_and_callables():
    """Whatever has a signature is bound."""

    async def f(a: int, b: int = 2):
        pass

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        pass

    class Callable:
        def __call__(self, a: int):
            pass

    assert bind(f, 1) == {"a": 1, "b": 2}
    assert bind(functools.partial(f, b=5), 1) == {"a": 1, "b": 5}
    assert bind(wrapper, 1) == {"a": 1, "b": 2}
    assert bind(Callable(), 1) == {"a": 1}
    assert broken(Callable(), "x") == {"a": "must be a valid integer, not a string."}
    assert broken(wrapper, "x") == {"a": "must be a valid integer, not a string."}


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1, 2), {"c": 1}), ((), {"b": 1})],
)
def test_python_speaks_itself(args, kwargs):
    """A call that does not fit is Python's own TypeError."""

    def f(a, b=1):
        pass

    with pytest.raises(TypeError) as ours:
        bind(f, *args, **kwargs)
    with pytest.raises(TypeError) as pythons:
        inspect.signature(f).bind(*args, **kwargs)
    assert str(ours.value) == str(pythons.value)


NAMES = ["a", "b", "c", "d"]


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_binds_as_python_does(data):
    """For any signature and any call: what Python binds, with defaults; a TypeError when Python gives one."""
    kinds = sorted(data.draw(st.lists(st.sampled_from(list(inspect._ParameterKind)), max_size=4)))
    single = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    parameters, defaulted = [], False
    for name, kind in zip(NAMES, kinds, strict=False):
        if kind in single and any(p.kind == kind for p in parameters):
            continue
        default = inspect.Parameter.empty
        if kind not in single and (data.draw(st.booleans()) or (defaulted and kind < 2)):
            default, defaulted = f"default {name}", True
        parameters.append(inspect.Parameter(name, kind, default=default))
    signature = inspect.Signature(parameters)

    def f(*args, **kwargs):
        pass

    f.__signature__ = signature
    arguments = compile_arguments(f, inject=NONE)
    args = tuple(data.draw(st.lists(st.integers(), max_size=4)))
    kwargs = data.draw(st.dictionaries(st.sampled_from([*NAMES, "z"]), st.integers(), max_size=3))
    try:
        expected = signature.bind(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            arguments.bind(args, kwargs)
        return
    expected.apply_defaults()
    flat, extras = {}, {}
    for name, value in expected.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            extras = value
        else:
            flat[name] = list(value) if kind is inspect.Parameter.VAR_POSITIONAL else value
    if flat.keys() & extras.keys():
        with pytest.raises(TypeError):
            arguments.bind(args, kwargs)
    else:
        assert arguments.bind(args, kwargs) == flat | extras


# --- checking ---------------------------------------------------------------------------------------------------------


def test_nothing_is_coerced():
    """Text is no number, a number no boolean; an integer is a fine float."""
    assert broken(run, "x", count=2, rate=3) == {}
    assert broken(run, 5, count="2", rate="3") == {
        "env": "must be a valid string, not an integer.",
        "count": "must be a valid integer, not a string.",
        "rate": "must be a valid number, not a string.",
    }
    assert broken(run, count=True) == {"count": "must be a valid integer, not a boolean."}


def test_unannotated_is_anything():
    """What is not annotated is not checked, beside what is."""

    def f(a, b: int):
        pass

    assert broken(f, object(), 1) == {}
    assert broken(f, object(), "1").keys() == {"b"}


def test_all_sorts_of_types():
    """Models, enums, literals, constraints and foreign classes are checked; inner places have their path."""

    def f(
        lead: Lead,
        kind: Kind,
        mode: Literal["r", "w"],
        size: Annotated[int, Field(gt=0)],
        rows: list[dict[str, int]],
        other: Other,
        maybe: int | None = None,
    ):
        pass

    assert broken(f, Lead(id=1), Kind.A, "r", 1, [{"a": 1}], Other()) == {}
    found = broken(f, {"id": 1}, "a", "x", 0, [{"a": 1}, {"b": "x"}], 3, maybe="x")
    assert found.keys() == {"lead", "kind", "mode", "size", "rows[1].b", "other", "maybe"}
    assert found["other"] == "must be an instance of Other, not an integer."


def test_union_members_are_one_violation():
    """A value that fits no member of a union is one place, not one per member with made-up names in its path."""

    def f(a: int | list[int]):
        pass

    assert broken(f, "x") == {"a": "must be a valid integer or must be a valid list."}


def test_rest_parameters_are_checked():
    """Each of *args and **kwargs has the annotated type; Unpack of a typed dictionary says which names there are."""

    def f(*rest: int, **more: bool):
        pass

    def g(**options: Unpack[Options]):
        pass

    def h(a: int, **more: Any):
        pass

    assert broken(f, 1, 2, x=True) == {}
    assert broken(f, 1, "2", x=1).keys() == {"rest[1]", "x"}
    assert broken(g, fast=True) == {}
    assert broken(g, fast=1).keys() == {"fast"}
    assert broken(h, 1, x=object()) == {}


def test_own_defaults_are_excused():
    """`env: str = None` is common; the default is never a violation, another wrong value is."""

    def f(env: str = None, rows: list[int] = ("x",)):  # noqa: RUF013
        pass

    assert broken(f) == {}
    assert broken(f, 5, ["x"]).keys() == {"env", "rows[0]"}


def test_a_changed_model_is_found():
    """A model that was valid when it was made and was changed since is broken."""

    def f(lead: Lead):
        pass

    lead = Lead(id=1)
    lead.tags.append(3)
    assert broken(f, lead) == {"lead.tags[0]": "must be a valid string, not an integer."}


def test_missing_and_unknown_names():
    """Arguments that were changed after binding are checked as a whole: nothing may be missing or new."""
    arguments = compile_arguments(run, inject=NONE)
    found = arguments.check({"env": "x", "count": 1, "rat": 1.0})
    assert {(one.path, one.why) for one in found} == {
        ("rate", "is required but missing."),
        ("rat", "is not a known name."),
    }
    assert all(one.check == "arguments" for one in found)


def test_at_most_twenty_and_never_raises():
    """Wrong items are twenty violations, a million one; a validator that fails is a violation; values are not echoed."""

    class Bad:
        @classmethod
        def __get_pydantic_core_schema__(cls, source, handler):
            from pydantic_core import core_schema

            def explode(value):
                raise RuntimeError("hunter2")

            return core_schema.no_info_plain_validator_function(explode)

    def f(rows: list[int]):
        pass

    def g(bad):
        pass

    g.__annotations__["bad"] = Bad
    arguments = compile_arguments(f, inject=NONE)
    assert len(arguments.check({"rows": ["hunter2"] * 500})) == VIOLATIONS_MAX
    assert [one.path for one in arguments.check({"rows": [1] + ["hunter2"] * 1_000_000})] == ["rows[1]"]
    assert not any("hunter2" in one.why for one in arguments.check({"rows": ["hunter2"] * 500}))
    assert broken(g, 1) == {"": "cannot be checked: a validator raised RuntimeError."}


# --- refused at compile -----------------------------------------------------------------------------------------------


def test_unresolvable_annotation():
    """A forward reference to nothing is an error when the tool is declared, with the parameter's name."""

    def f(a: int, lead: "Nowhere"):  # noqa: F821
        pass

    with pytest.raises(ContractError, match=r"Parameter 'lead' of f\(\) .*'Nowhere'"):
        compile_arguments(f, inject=NONE)


def test_annotations_that_check_nothing():
    """An annotation against which nothing can be checked is refused, not quietly skipped."""

    def protocol(a: Hidden):
        pass

    def no_type(a, b):
        pass

    no_type.__annotations__["b"] = print
    with pytest.raises(ContractError, match=r"Parameter 'a' of protocol\(\) .*runtime_checkable"):
        compile_arguments(protocol, inject=NONE)
    with pytest.raises(ContractError, match=r"Parameter 'b' of no_type\(\)"):
        compile_arguments(no_type, inject=NONE)


def test_injected_parameters_need_no_type_that_can_be_checked():
    """Nobody checks what the program injects, so its annotation may be anything."""

    def f(conn: "Nowhere", a: int):  # noqa: F821
        pass

    assert bind(f, None, 1, inject=frozenset({"conn"})) == {"a": 1}


def test_injected_name_that_is_none():
    """An injected name that the function does not have is an error with the nearest one."""
    with pytest.raises(ContractError, match=r"no parameter 'cuont' to inject\. Did you mean 'count'"):
        compile_arguments(run, inject=frozenset({"cuont"}))


def test_no_signature():
    """A callable without a readable signature is refused with its name."""
    with pytest.raises(ContractError, match="signature"):
        compile_arguments(type, inject=NONE)


def test_dataclasses_keep_their_ways():
    """Fields that a dataclass sets itself, and slots, do not look like unknown arguments."""

    @dataclasses.dataclass(slots=True)
    class Row:
        a: int
        b: int = dataclasses.field(init=False, default=3)

    def f(row):
        pass

    f.__annotations__["row"] = Row
    row = Row(1)
    assert broken(f, row) == {}
    row.a = "x"
    assert broken(f, row).keys() == {"row.a"}


def test_cost():
    """Binding and checking three scalars stays in the order of microseconds (bars: 2 and 5; here with room)."""

    def f(a: int, b: str, env: str = "production"):
        pass

    arguments = compile_arguments(f, inject=NONE)
    bound = arguments.bind((1, "x"), {})
    binding = min(timeit.repeat(lambda: arguments.bind((1,), {"b": "x"}), number=2000, repeat=5)) / 2000
    checking = min(timeit.repeat(lambda: arguments.check(bound), number=2000, repeat=5)) / 2000
    assert binding < 20e-6
    assert checking < 50e-6
