"""Every code block of the docs runs: a yaml block that begins with `version: 1` becomes the folder's handrail.yaml."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from handrail.policy import loads


class PolicyParser(CodeBlockParser):
    """Writes policies where `handrail.open()` finds them, and loads them."""

    language = "yaml"

    def evaluate(self, example):
        text = example.parsed
        if text.startswith("version: 1"):
            loads(text, source="handrail.yaml")
            Path("handrail.yaml").write_text(text)


def enter(namespace):
    namespace["_home"] = os.getcwd()
    namespace["_room"] = tempfile.mkdtemp()
    os.chdir(namespace["_room"])


def leave(namespace):
    os.chdir(namespace["_home"])
    shutil.rmtree(namespace["_room"], ignore_errors=True)


pytest_collect_file = Sybil(
    parsers=[PolicyParser(), PythonCodeBlockParser()],
    patterns=["README.md", "docs/*.md", "docs/gates/*.md"],
    setup=enter,
    teardown=leave,
).pytest()
