"""Guarded changes beyond rows: files and HTTP JSON resources, by the same verbs (observe, preview, apply, undo)."""

from __future__ import annotations

from handrail.data.resources.file_change import CreateFile, DeleteFile, FileChange, MoveFile, WriteFile
from handrail.data.resources.files import Files
from handrail.data.resources.http import HttpResources
from handrail.data.resources.json_change import CreateJson, DeleteJson, JsonChange, PatchJson, PutJson
from handrail.data.resources.protocol import Adapter, Applied, Became, Picture, Preview, Reverted
from handrail.data.resources.receipt import ABSENT, UNKNOWN, Receipt, Touched, Version
from handrail.data.resources.results import Clash, Conflict, InDoubt, NotApplied, Refused, Stale, Undone
from handrail.data.resources.traits import DryRun, Idempotency, Precondition, Traits, UndoKind

__all__ = [
    "ABSENT",
    "UNKNOWN",
    "Adapter",
    "Applied",
    "Became",
    "Clash",
    "Conflict",
    "CreateFile",
    "CreateJson",
    "DeleteFile",
    "DeleteJson",
    "DryRun",
    "FileChange",
    "Files",
    "HttpResources",
    "Idempotency",
    "InDoubt",
    "JsonChange",
    "MoveFile",
    "NotApplied",
    "PatchJson",
    "Picture",
    "Precondition",
    "Preview",
    "PutJson",
    "Receipt",
    "Refused",
    "Reverted",
    "Stale",
    "Touched",
    "Traits",
    "UndoKind",
    "Undone",
    "Version",
    "WriteFile",
]
