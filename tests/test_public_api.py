"""`import handrail`: few names, sorted, complete, and light."""

import inspect
import subprocess
import sys

import handrail
from handrail import errors

HEAVY = [
    "asyncio",
    "cel",
    "cryptography",
    "jsonschema_rs",
    "pydantic",
    "rich",
    "ruamel",
    "sqlalchemy",
    "typer",
    "urllib.request",
]


def test_all_is_sorted_and_short():
    """One screen of names."""
    assert handrail.__all__ == sorted(handrail.__all__)
    assert len(set(handrail.__all__)) == len(handrail.__all__) < 30


def test_all_is_what_is_exported():
    """Nothing public is left out, nothing listed is missing."""
    public = {
        name
        for name, value in vars(handrail).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert public == set(handrail.__all__) - {"__version__"}
    assert handrail.__version__.count(".") == 2


def test_every_error_is_exported():
    """What can be raised can be caught by its name."""
    kinds = {
        name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.HandrailError)
    }
    assert kinds - {"ActionError"} <= set(handrail.__all__) | {"ContractBroken", *_inner()}


def _inner():
    """Errors of the stores' inside, which reach nobody: a StoreError stands for them."""
    return {name for name in vars(errors) if name.endswith("Error")} - set(handrail.__all__)


def test_importing_stays_light():
    """Heavy modules load where they are used."""
    code = "import handrail, sys; print('\\n'.join(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()) & set(HEAVY) == set()
