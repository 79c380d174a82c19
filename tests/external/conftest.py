"""Servers and clients of others, installed once into a cached folder. Nothing here skips: what is missing is installed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PACKAGES = (
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-everything@2026.8.31",
    "@modelcontextprotocol/inspector@0.15.0",
)
"""The inspector's newer releases need a newer node than most machines have."""

SQLITE = ("mcp-server-sqlite==2025.4.25", "mcp<2")
"""A server of the protocol's first SDK, which our own environment no longer has."""

CACHE = Path(os.environ.get("HANDRAIL_TEST_CACHE", Path(tempfile.gettempdir()) / "handrail-external"))


def run(*words, cwd):
    ended = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def installed(name, wanted, install):
    """Return a folder in which `install` once succeeded for what is wanted."""
    folder = CACHE / name
    stamp = folder / "installed.json"
    if not stamp.is_file() or json.loads(stamp.read_text()) != list(wanted):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        stamp.write_text(json.dumps(list(wanted)))
    return folder


@pytest.fixture(scope="session")
def node_modules():
    """The npm packages, with their versions printed."""
    assert shutil.which("npm"), "these tests need node and npm"

    def install(folder):
        (folder / "package.json").write_text("{}")
        run("npm", "install", "--no-audit", "--no-fund", *PACKAGES, cwd=folder)

    found = installed("npm", PACKAGES, install) / "node_modules"
    for package in sorted((found / "@modelcontextprotocol").glob("*/package.json")):
        read = json.loads(package.read_text())
        print(f"{read['name']} {read['version']}")
    return found


@pytest.fixture(scope="session")
def sqlite_server():
    """The program of a SQLite server in an environment of its own."""

    def install(folder):
        run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
        run(folder / "venv" / "bin" / "pip", "install", "--quiet", *SQLITE, cwd=folder)

    folder = installed("sqlite", SQLITE, install)
    bin = folder / "venv" / "bin"
    subprocess.run([bin / "pip", "list", "--format=freeze"], check=True)
    return str(bin / "mcp-server-sqlite")


@pytest.fixture
def everything(node_modules):
    """The words that start server-everything."""
    return "node", str(node_modules / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js")


@pytest.fixture
def filesystem(node_modules):
    """The words that start server-filesystem, without its folder."""
    return "node", str(node_modules / "@modelcontextprotocol" / "server-filesystem" / "dist" / "index.js")
