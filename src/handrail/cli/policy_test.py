"""`handrail policy test`: does the policy decide what its test cases say it has to?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.exits import Code, UsageError
from handrail.cli.options import options
from handrail.cli.output import count, emit, line, say, shown
from handrail.cli.settings import load_policy, resolve
from handrail.core.text import safe

if TYPE_CHECKING:
    from handrail.backtest.suite import CaseResult, Coverage
    from handrail.core.digest import Json


def run_cases(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Files of cases; handrail.test.yaml beside the policy by default."),
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Also name the rules and tools that no case exercised.")
    ] = False,
) -> int:
    """Run the test cases of the policy. Nothing runs, nothing is recorded; code 1 when a case fails."""
    from handrail.backtest import suite
    from handrail.backtest.cases import FILE_NAME, load_cases

    settings = resolve(options(ctx))
    policy = load_policy(settings)
    if not files:
        assert settings.policy is not None
        default = settings.policy.parent / FILE_NAME
        if not default.is_file():
            raise UsageError(
                f"There is no {FILE_NAME} beside the policy. Write one (docs/backtest.md), or name a file."
            )
        here = Path.cwd()
        files = [default.relative_to(here) if default.is_relative_to(here) else default]
    for file in files:
        if not file.is_file():
            raise UsageError(f"There is no file {safe(file)}.")
    loaded = [(file, load_cases(file, policy)) for file in files]
    results = [(file, suite.run_case(policy, case)) for file, cases in loaded for case in cases]
    missed = suite.coverage(policy, (result for _, result in results)) if coverage else None
    if options(ctx).json:
        _emit(results, missed)
    else:
        _print(results, missed)
    return Code.OK if all(result.passed for _, result in results) else Code.FINDINGS


def _emit(results: list[tuple[Path, CaseResult]], missed: Coverage | None) -> None:
    """Print what came out, for machines."""
    passed = sum(result.passed for _, result in results)
    cases: list[Json] = [{"file": str(file), **result.to_json()} for file, result in results]
    told: dict[str, Json] = {"passed": passed, "failed": len(results) - passed, "cases": cases}
    if missed is not None:
        told["uncovered"] = {"rules": list(missed.rules), "tools": list(missed.tools)}
    emit(told)


def _print(results: list[tuple[Path, CaseResult]], missed: Coverage | None) -> None:
    """Print what came out, for people: a line for each case, and one for each step that is not as expected."""
    from handrail.backtest.suite import shown as told

    for file, result in results:
        line(f"{'pass' if result.passed else 'FAIL'}  {safe(result.case.name)}")
        for number, step in enumerate(result.steps, 1):
            if step.fault:
                line(f"      {' '.join(shown(told(step, number, str(file))))}")
    if missed is not None:
        for noun, names in (("rule", missed.rules), ("tool", missed.tools)):
            if names:
                line(f"No case exercises {count(len(names), noun)}: {', '.join(map(safe, names))}.")
        if not missed.rules and not missed.tools:
            line("Every rule and every tool is exercised.")
    failed = sum(not result.passed for _, result in results)
    say(f"{count(len(results), 'case')}: {len(results) - failed:,} passed, {failed:,} failed.")
