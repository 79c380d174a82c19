import dataclasses
import datetime as dt
import enum
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine, Generator, Iterator
from typing import Any, Generic, NoReturn, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, Json, model_validator
from typing_extensions import TypedDict

from handrail.contracts.results import compile_result
from handrail.contracts.schema import VIOLATIONS_MAX, ContractError

T = TypeVar("T")


class Kind(enum.Enum):
    A = "a"


class Owner(BaseModel):
    name: str


class Lead(BaseModel):
    id: int
    size: int = Field(default=1, alias="companySize", ge=0)
    owner: Owner | None = None
    seen: dt.datetime | None = None


class Kept(BaseModel):
    model_config = ConfigDict(use_enum_values=True)
    kind: Kind = Kind.A
    payload: Json[list[int]] | None = None


class Tree(BaseModel):
    default: Owner | None = None
    children: list["Tree"] = []


class Strange(BaseModel):
    @model_validator(mode="after")
    def explode(self):
        raise RuntimeError("hunter2")


class Talkative(BaseModel):
    a: int

    @model_validator(mode="after")
    def refuse(self):
        if self.a < 0:
            raise ValueError("\x1b[2J" + "no " * 100)
        return self


@dataclasses.dataclass
class Row:
    a: int
    lead: Lead | None = None


class Typed(TypedDict):
    a: int


class Page(BaseModel, Generic[T]):
    items: list[T]


def check_of(annotation):
    def tool():
        pass

    tool.__annotations__["return"] = annotation
    check = compile_result(tool)
    assert check is not None
    return check


def broken(annotation, value):
    return {one.path: one.why for one in check_of(annotation)(value)}


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (None, None, 0),
        (int, 1, "1"),
        (int, 1, True),
        (float, 1, "1.0"),
        (str, "x", b"x"),
        (bool, True, 1),
        (Lead, Lead(id=1), {"id": 1}),
        (Lead, Lead(id=1), None),
        (Row, Row(1), {"a": 1}),
        (Typed, {"a": 1}, {"a": "1"}),
        (list[Lead], [Lead(id=1)], (Lead(id=1),)),
        (dict[str, object], {"a": object()}, {1: 1}),
        (Lead | None, None, 0),
        (tuple[int, str], (1, "a"), (1,)),
        (dt.datetime, dt.datetime(2026, 1, 1), "2026-01-01T00:00:00"),
        (Kind, Kind.A, "a"),
        (Page[int], Page[int](items=[1]), Page[str](items=["x"])),
        (enum.Enum, Kind.A, 1),
    ],
)
def test_annotations(annotation, good, bad):
    """What is annotated passes; what would only fit after a conversion does not."""
    assert broken(annotation, good) == {}
    assert broken(annotation, bad)


def test_no_annotation_no_check():
    """Without an annotation, or with one that says nothing, there is no check."""

    def nothing():
        pass

    def anything() -> Any:
        pass

    def some_object() -> object:
        pass

    assert compile_result(nothing) is None
    assert compile_result(anything) is None
    assert compile_result(some_object) is None


def test_none_is_checked():
    """`-> None` must be None: a tool that says it returns nothing and returns something is not the tool one thinks."""

    def tool() -> None:
        pass

    check = compile_result(tool)
    assert check(None) == ()
    (one,) = check({"error": "x"})
    assert (one.check, one.path) == ("result", "")


async def test_coroutines():
    """The annotation of an `async def` speaks of the awaited value."""

    async def tool() -> Lead:
        return Lead(id=1)

    check = compile_result(tool)
    assert check(await tool()) == ()
    assert check(3)


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (Awaitable[int], "an awaitable is used up by reading it"),
        (Coroutine[None, None, int], "a coroutine is used up by reading it"),
        (Iterator[int], "an iterator is used up by reading it"),
        (Generator[int, None, None], "a generator is used up by reading it"),
        (AsyncIterator[int], "an asynchronous iterator is used up by reading it"),
        (NoReturn, "it is declared never to return"),
    ],
)
def test_what_cannot_be_checked_says_so(annotation, why):
    """A result that reading would use up is not checked, and the check says so."""
    check = check_of(annotation)
    assert check.unchecked == why
    assert check(3) == ()
    assert check_of(int).unchecked == ""


def test_mutated_into_invalidity():
    """A model or dataclass that was changed after it was made is validated again, at any depth."""
    lead = Lead(id=1, owner=Owner(name="x"))
    assert broken(list[Row], [Row(1, lead)]) == {}
    lead.id = "5"
    lead.size = -1
    lead.owner.name = None
    row = Row("1", lead)
    assert broken(list[Row], [Row(1), row]).keys() == {
        "[1].a",
        "[1].lead.id",
        "[1].lead.size",
        "[1].lead.owner.name",
    }


def test_fields_of_any_name_and_recursive_models():
    """A field may be called like a word of the validator's own, and a model may hold itself."""
    tree = Tree(children=[Tree(children=[Tree()])])
    assert broken(Tree, tree) == {}
    tree.children[0].children[0].default = Owner.model_construct(name=3)
    assert broken(Tree, tree).keys() == {"children[0].children[0].default.name"}
    tree.children.append(tree)
    assert broken(Tree, tree)


def test_models_that_keep_something_else():
    """Fields that keep an enum's value, hold parsed JSON or have an alias are not broken by that."""
    assert broken(Kept, Kept(kind=Kind.A, payload="[1]")) == {}
    assert broken(Kept, Kept()) == {}
    assert broken(Lead, Lead(companySize=3, id=1)) == {}
    kept = Kept()
    kept.kind = "zz"
    assert broken(Kept, kept).keys() == {"kind"}


def test_model_construct():
    """A model that was built without validation is validated here."""
    assert broken(Lead, Lead.model_construct(id="x")).keys() == {"id"}
    assert broken(Lead, Lead.model_construct()) == {"id": "is required but missing."}


def test_never_raises_and_never_echoes():
    """A validator that fails is a violation; what validators say is escaped and shortened."""
    assert broken(Strange, Strange.model_construct()) == {"": "cannot be checked: a validator raised RuntimeError."}
    ((path, why),) = broken(Talkative, Talkative.model_construct(a=-1)).items()
    assert path == ""
    assert why.isprintable()
    assert len(why) < 120


def test_many_errors():
    """At most twenty violations, and a million wrong items do not take seconds."""
    assert len(broken(list[int], ["x"] * 100)) == VIOLATIONS_MAX
    started = time.perf_counter()
    assert broken(list[int], [1, *["x"] * 1_000_000]).keys() == {"[1]"}
    assert broken(dict[str, int], {str(n): "x" for n in range(2000)}) == {"": "breaks its annotation in 2,000 places."}
    assert time.perf_counter() - started < 3


def test_unresolvable():
    """A return annotation that cannot be resolved is an error when the tool is declared."""

    def tool() -> "Nowhere":  # noqa: F821
        pass

    with pytest.raises(ContractError, match=r"The result of tool\(\) .*'Nowhere'"):
        compile_result(tool)


def test_typed_dictionaries_stay_open():
    """A typed dictionary may hold more keys than it names, as for type checkers."""
    assert broken(Typed, {"a": 1, "b": 2}) == {}
    assert broken(Typed, {}) == {"a": "is required but missing."}
