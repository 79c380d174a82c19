"""The order of things around a fork."""

import subprocess
import sys

SCRIPT = """
import os, sys, warnings
from handrail.stores import forks
warnings.simplefilter("ignore")
told = []
class Thing:
    def before_fork(self): told.append("before")
    def after_fork_in_parent(self): told.append("parent")
    def after_fork_in_child(self): told.append("child")
paused, watched, gone = Thing(), Thing(), Thing()
forks.pause(paused)
forks.watch(watched)
forks.pause(gone)
del gone
pid = os.fork()
if pid == 0:
    os._exit(told != ["before", "child", "child"])
assert os.waitpid(pid, 0)[1] == 0
assert told == ["before", "parent"], told
pid = os.fork()
if pid == 0:
    os._exit(told != ["before", "parent", "before", "child", "child"])
assert os.waitpid(pid, 0)[1] == 0
"""


def test_things_are_paused_before_and_told_afterwards():
    """Only what can be paused is paused; everything is told in the child; what is gone is forgotten."""
    assert subprocess.run([sys.executable, "-c", SCRIPT], check=False, timeout=20).returncode == 0
