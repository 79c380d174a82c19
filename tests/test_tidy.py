"""What keeps the tree as STYLE.md says. Lists of exceptions only shrink: they may not hold what needs none."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import handrail

TESTS = Path(__file__).parent
SOURCE = Path(handrail.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

LONG_FILES: dict[str, int] = {}
"""Files above the limit, with today's lines. A number may only become smaller."""

LONG_FUNCTIONS: dict[str, int] = {}
"""Functions above the limit, `file:name`, with today's lines."""

SAME_NAMES = {
    "Place": "of a store that doctor looks at, and of a database that is read",
    "Table": "of a database's catalog, and what may be done to one",
    "Change": "of a decision that a reviewer sees, and of rows in a database",
    "Arguments": "the gate, and the contract that it reports",
    "Fields": "of a result, and of a policy",
    "Finding": "of a gate, and of doctor",
    "Reader": "of a policy's document, and of a SQLite file",
    "Level": "of a policy's problem, and of a finding of doctor",
}
"""Public class names defined twice, and why."""

ELSEWHERE = {
    "stores/sqlite_transaction.py": "stores/test_sqlite.py and the conformance suite",
    "__main__.py": "cli/test_real.py runs it",
    "alerts/_http.py": "alerts/test_http.py",
    "cli/alert/test.py": "cli/test_others.py",
    "cli/demo.py": "demo/test_command.py",
    "cli/exits.py": "cli/test_app.py",
    "cli/forms.py": "cli/test_hostile.py",
    "cli/log/finding.py": "cli/test_log.py",
    "cli/log/list.py": "cli/test_log.py",
    "cli/log/prune.py": "cli/test_log.py",
    "cli/log/resolve.py": "cli/test_log.py",
    "cli/log/settling.py": "cli/test_log.py",
    "cli/log/show.py": "cli/test_log.py",
    "cli/log/verify.py": "cli/test_log.py",
    "cli/options.py": "cli/test_settings.py",
    "cli/output.py": "cli/test_hostile.py",
    "cli/people.py": "cli/test_review.py",
    "cli/raising.py": "cli/test_others.py",
    "cli/review/approve.py": "cli/test_review.py",
    "cli/review/clear.py": "cli/test_review.py",
    "cli/review/deny.py": "cli/test_review.py",
    "cli/review/grants.py": "cli/test_review.py",
    "cli/review/list.py": "cli/test_review.py",
    "cli/review/revoke.py": "cli/test_review.py",
    "cli/review/show.py": "cli/test_review.py",
    "cli/reviewer/add.py": "cli/test_review.py",
    "cli/reviewer/list.py": "cli/test_review.py",
    "cli/session.py": "cli/test_settings.py",
    "cli/start.py": "cli/test_others.py",
    "cli/stop.py": "cli/test_others.py",
    "cli/store/backup.py": "cli/test_others.py",
    "cli/styles.py": "cli/test_hostile.py",
    "policy/compiled.py": "policy/test_load.py",
    "policy/conditions.py": "policy/test_rules.py",
    "policy/fields.py": "policy/test_load.py",
    "policy/model.py": "policy/test_load.py",
    "policy/read.py": "policy/test_load.py",
    "review/decide.py": "cli/test_review.py",
    "review/keys.py": "cli/test_review.py",
}
"""Files without a test file of their own, and where they are tested (a file under tests/)."""

ELSEWHERE_FOLDERS = {
    "demo": "demo/test_command.py",
    "doctor": "cli/test_doctor.py",
}
"""Folders of many small files that one test file goes through."""


def mirror(name):
    """Return the test file of a source file."""
    path = Path(name)
    return TESTS / path.parent / f"test_{path.name}"


def needs_mirror(name):
    return not name.endswith("__init__.py")


def lines(name):
    return len((SOURCE / name).read_text(encoding="utf-8").splitlines())


def functions():
    """Yield (file:name, lines) of every function."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.name}", node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("name", [name for name in TREES if needs_mirror(name)])
def test_every_file_has_its_mirror(name):
    """A reader finds the tests of `a/b.py` in `tests/a/test_b.py`, or the list says where."""
    place = ELSEWHERE.get(name) or (ELSEWHERE_FOLDERS.get(name.partition("/")[0]) if "/" in name else None)
    if not mirror(name).exists():
        assert place is not None, f"write {mirror(name).relative_to(TESTS)}"
        assert (TESTS / place.split()[0]).is_file(), place


def test_the_list_of_exceptions_shrinks():
    """Nothing stands in it that has a mirror by now, or is gone."""
    assert [name for name in ELSEWHERE if name not in TREES or mirror(name).exists()] == []
    for folder in ELSEWHERE_FOLDERS:
        assert any(name.startswith(f"{folder}/") and not mirror(name).exists() for name in TREES), folder
    assert len(ELSEWHERE) <= 39


def test_no_public_class_is_defined_twice():
    """One word, one concept; the exceptions say what each of the two is."""
    places = defaultdict(list)
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    assert {name for name, files in places.items() if len(files) > 1} == set(SAME_NAMES)
    assert all(len(places[name]) == 2 for name in SAME_NAMES)


def test_files_are_short():
    """Look twice past 600 lines; what is longer only shrinks."""
    long = {name: lines(name) for name in TREES if lines(name) > FILE_LINES_MAX}
    assert set(long) == set(LONG_FILES), "take out what is short again; split what is new"
    assert {name: size for name, size in long.items() if size > LONG_FILES[name]} == {}


def test_functions_are_short():
    """Look twice past 70 lines; what is longer only shrinks."""
    long = {name: size for name, size in functions() if size > FUNCTION_LINES_MAX}
    assert set(long) == set(LONG_FUNCTIONS), "take out what is short again; split what is new"
    assert {name: size for name, size in long.items() if size > LONG_FUNCTIONS[name]} == {}


def test_all_is_sorted_complete_and_short():
    """The package's `__all__` is its whole public API."""
    public = {
        name
        for name, value in vars(handrail).items()
        if not name.startswith("_") and type(value).__name__ not in ("module", "_Feature")
    }
    assert handrail.__all__ == sorted(handrail.__all__)
    assert public | {"__version__"} == set(handrail.__all__)
    assert len(handrail.__all__) < 30


@pytest.mark.parametrize("name", TREES)
def test_every_module_says_what_it_is(name):
    """Its docstring begins with a sentence."""
    said = ast.get_docstring(TREES[name])
    assert said
    assert said.split("\n\n")[0].strip()[-1] in ".?!:"


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "XX" + "X:"])
def test_nothing_is_left_for_later(word):
    """What is not done is in an issue, not in a comment."""
    assert [path.name for path in FILES if word in path.read_text(encoding="utf-8")] == []


def test_every_test_says_what_it_expects():
    """Of the tests that mirror the core: each has a docstring."""
    for folder in ("core", "gates", "drivers", "stores", "testing", "."):
        for path in (TESTS / folder).glob("test_*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    assert ast.get_docstring(node), f"{path.name}: {node.name}"
