"""The five failures of the brief, each played twice for real: unguarded, and then held.

A scene (one file each, listed in `scenes.py`) has an agent, the tools that it works with, and a small world that they
really change: a table of a CRM, an inventory of machines. The same agent plays both halves; in the second one its tools
are guarded by a policy. Scenes use the public API only, nothing in the runtime knows of them, and every number that is
shown is counted from the world and the journal afterwards.
"""
