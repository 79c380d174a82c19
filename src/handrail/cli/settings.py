"""Which policy and which store: flags, then the environment, then the nearest handrail.yaml, then pyproject.toml.

The environment is read here and nowhere else in the command line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.cli.exits import UsageError
from handrail.cli.options import Options
from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    from handrail.policy import CompiledPolicy

PYPROJECT_KEYS = ("policy", "store")


@dataclass(frozen=True, slots=True)
class Settings:
    """What was found.

    Attributes:
        policy: The policy file; None when only a store is named.
        store: Address of the store; None for the one that the policy names.
        folder: What a relative address starts from.
        config: handrail.yaml whose store counts, when another file is the policy.
        named: Where the store's address was said, `""` when the policy's own counts.
    """

    policy: Path | None
    store: str | None
    folder: Path
    config: Path | None = None
    named: str = ""


def resolve(said: Options, environ: Mapping[str, str] | None = None, start: Path | None = None) -> Settings:
    """Find the policy file and the store.

    Args:
        said: What stands on the command line.
        environ: The environment; the process's own by default.
        start: Where to look for files; the current folder by default.

    Raises:
        UsageError: A flag or variable names a file that is not there.
        ConfigurationError: pyproject.toml has an unknown key, or a store without a policy.
    """
    env = os.environ if environ is None else environ
    here = (Path.cwd() if start is None else start).absolute()
    policy, config = _file(said.policy, "--policy", here), _file(said.config, "--config", here)
    if policy is None and config is None:
        policy = _file(env.get("HANDRAIL_POLICY"), "HANDRAIL_POLICY", here)
        config = _file(env.get("HANDRAIL_CONFIG"), "HANDRAIL_CONFIG", here)
    store, named = said.store, "--store"
    if store is None:
        store, named = env.get("HANDRAIL_STORE") or None, "HANDRAIL_STORE"
    if store is None:
        named = ""
    if policy is None and config is None:
        from handrail.opening import find

        policy = find(here)
        if policy is None:
            return _from_pyproject(here, store, named)
    policy = policy or config
    base = config or policy
    assert base is not None
    return Settings(policy, store, base.parent, config if config != policy else None, named)


def _file(said: str | Path | None, where: str, here: Path) -> Path | None:
    if not said:
        return None
    path = here / said
    if path.is_dir() and (path / "handrail.yaml").is_file():
        path /= "handrail.yaml"
    if not path.is_file():
        raise UsageError(f"{where}: {safe(said)} is not a file.")
    return path


def _from_pyproject(here: Path, store: str | None, named: str) -> Settings:
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        table = _table(file) if file.is_file() else None
        if table is not None:
            return _settings(file, table, store, named)
    return Settings(None, store, here, None, named)


def _settings(file: Path, table: Mapping[str, str], store: str | None, named: str) -> Settings:
    policy = None
    if "policy" in table:
        policy = file.parent / table["policy"]
        if not policy.is_file():
            raise ConfigurationError(f"{safe(file)}: [tool.handrail] policy: {safe(table['policy'])} is not a file.")
    elif "store" in table:
        raise ConfigurationError(f'{safe(file)}: [tool.handrail] names a store but no policy. Add: policy = "…"')
    if store is not None or "store" not in table:
        return Settings(policy, store, policy.parent if policy else file.parent, None, named)
    return Settings(policy, table["store"], file.parent, None, f"{file.name} [tool.handrail]")


def _table(file: Path) -> Mapping[str, str] | None:
    """Return `[tool.handrail]`; None when the file has none."""
    import tomllib

    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("handrail")
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{safe(file)} cannot be read: {safe(error)}") from None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise ConfigurationError(f"{safe(file)}: [tool.handrail] has to be a table.")
    for name, value in table.items():
        if name not in PYPROJECT_KEYS:
            hint = did_you_mean(name, PYPROJECT_KEYS)
            raise ConfigurationError(f"{safe(file)}: [tool.handrail] has no key '{safe(name)}'.{hint}")
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{safe(file)}: [tool.handrail] {name} has to be text.")
    return table


def load_policy(settings: Settings) -> CompiledPolicy:
    """Compile the policy. Raises `ConfigurationError`, `PolicyError`."""
    if settings.policy is None:
        raise ConfigurationError(
            "There is no policy: no handrail.yaml in this folder or above, and no [tool.handrail] in pyproject.toml. "
            "Go to your project's folder, or name one with --policy FILE."
        )
    from handrail.policy import load

    return load(settings.policy)


def store_url(settings: Settings, policy: CompiledPolicy | None) -> str:
    """Return the address of the store."""
    if settings.store is not None:
        return settings.store
    if settings.config is not None:
        from handrail.policy import load

        return load(settings.config).store
    return (policy or load_policy(settings)).store
