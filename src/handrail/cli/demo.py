"""`handrail demo`: the failures of the brief, each played unguarded and then held."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.exits import Code, UsageError
from handrail.cli.options import options
from handrail.core.text import safe

if TYPE_CHECKING:
    from handrail.demo.scene import Result, Scene


def demo(
    ctx: typer.Context,
    scenes: Annotated[list[str] | None, typer.Argument(metavar="[SCENE]…", help="Numbers; all without any.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Do not pause.")] = False,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="FOLDER", help="Keep each scene's policy, store and world there.")
    ] = None,
) -> None:
    """Watch agents fail without Handrail, and be held with it. Real files in a temporary folder; no keys, no network.

    Ends with 1 if a scene was not held.
    """
    said = options(ctx)
    if said.policy or said.store or said.config:
        raise UsageError("The demo brings its own policies and stores. Leave out --policy, --store and --config.")
    chosen = _chosen(scenes or [])
    for folder in [_kept(scene, keep) for scene in chosen if keep is not None]:
        if folder.exists():
            raise UsageError(f"{safe(folder)} is there already. Remove it, or name another folder.")
    held = _as_json(chosen, keep) if said.json else _in_words(chosen, keep, pace=0.0 if fast else 1.0)
    if not held:
        raise typer.Exit(Code.FINDINGS)


def _chosen(numbers: list[str]) -> list[Scene]:
    from handrail.demo.scenes import scenes

    known = {str(scene.number): scene for scene in scenes()}
    for number in numbers:
        if number not in known:
            listed = ", ".join(f"{scene.number} ({scene.name.lower()})" for scene in known.values())
            raise UsageError(f"There is no scene {safe(number)}. There are: {listed}.")
    return [known[number] for number in dict.fromkeys(numbers)] or list(known.values())


def _room(scene: Scene, keep: Path | None) -> AbstractContextManager[str | Path]:
    """Return the folder that a scene plays in."""
    if keep is None:
        return TemporaryDirectory(prefix="handrail-demo-")
    folder = _kept(scene, keep)
    folder.mkdir(parents=True)
    return nullcontext(folder)


def _kept(scene: Scene, keep: Path) -> Path:
    return keep / f"scene-{scene.number}"


def _as_json(chosen: list[Scene], keep: Path | None) -> bool:
    from handrail.cli.output import emit
    from handrail.core.digest import to_json
    from handrail.demo.stages import Silent

    played: list[dict[str, object]] = []
    held = True
    for scene in chosen:
        with _room(scene, keep) as folder:
            result = scene.play(Silent(Path(folder)))
        held = held and result.held
        played.append(
            {
                "scene": scene.number,
                "name": scene.name,
                "unguarded": result.unguarded,
                "guarded": result.guarded,
                "held": result.held,
            }
        )
    emit({"scenes": to_json(played)})
    return held


def _in_words(chosen: list[Scene], keep: Path | None, *, pace: float) -> bool:
    from handrail.cli.output import console, plain
    from handrail.demo.stages import Terminal

    screen = console()
    if not screen.is_terminal:
        pace = 0.0  # nobody watches a pipe
    begun = time.monotonic()
    results: list[Result] = []
    for scene in chosen:
        with _room(scene, keep) as folder:
            stage = Terminal(Path(folder), screen, pace)
            stage.title(scene)
            results.append(scene.play(stage))
            stage.verdict(results[-1])
        why, command = _next(scene, keep)
        screen.print(plain(f"Try next, {why}:\n  {command}\n"))
    held = sum(result.held for result in results)
    noun = "scene" if held == len(results) == 1 else "scenes"
    took = time.monotonic() - begun
    screen.print(plain(f"{held} of {len(results)} {noun} held, in {took:.0f} s.", "bold"))
    return held == len(results)


def _next(scene: Scene, keep: Path | None) -> tuple[str, str]:
    """Return what to do with what was just seen, and the command for it."""
    if keep is None:
        return "to keep its policy and journal", f"handrail demo {scene.number} --fast --keep handrail-demo"
    return "to read its journal", f"handrail log --policy {safe(_kept(scene, keep) / 'handrail.yaml')}"
