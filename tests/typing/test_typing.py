"""The public API keeps its types, for mypy and for pyright."""

import subprocess
import sys
from pathlib import Path

import pytest

API = Path(__file__).with_name("api.py")
ROOT = API.parents[2]


# basedpyright is pyright as a wheel that needs nothing but pip
@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_public_api_is_typed(checker):
    """`tests/typing/api.py` passes the checker."""
    command = [sys.executable, "-m", checker]
    if checker == "basedpyright":
        command += ["--pythonpath", sys.executable, "--level", "error"]
    done = subprocess.run([*command, str(API)], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
