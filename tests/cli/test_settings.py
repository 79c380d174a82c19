"""Which policy and which store: flags, environment, handrail.yaml, pyproject.toml."""

import pytest

from handrail.cli.exits import UsageError
from handrail.cli.options import Options
from handrail.cli.settings import load_policy, resolve, store_url
from handrail.errors import ConfigurationError

POLICY = "version: 1\nreviewers: [dana@example.com]\nagents: {bot: {}}\ntools: {a.b: {do: read}}\n"


@pytest.fixture
def tree(tmp_path):
    """Four policies that differ in their store, and a folder deep below."""
    for name in ("flag", "env", "found", "py"):
        (tmp_path / f"{name}.yaml").write_text(f"{POLICY}store: sqlite:///{name}.db\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    return tmp_path


def found(tree, said=None, **env):
    settings = resolve(said or Options(), env, tree / "a" / "b")
    return settings.policy, store_url(settings, None)


def test_the_order(tree):
    """Flag, environment, the nearest handrail.yaml, pyproject.toml; each hides those after it."""
    (tree / "pyproject.toml").write_text('[tool.handrail]\npolicy = "py.yaml"\n')
    assert found(tree) == (tree / "py.yaml", "sqlite:///py.db")
    (tree / "handrail.yaml").write_text((tree / "found.yaml").read_text())
    assert found(tree) == (tree / "handrail.yaml", "sqlite:///found.db")
    env = {"HANDRAIL_POLICY": str(tree / "env.yaml")}
    assert found(tree, **env) == (tree / "env.yaml", "sqlite:///env.db")
    said = Options(policy=tree / "flag.yaml")
    assert found(tree, said, **env) == (tree / "flag.yaml", "sqlite:///flag.db")


def test_the_store_has_its_own_order(tree):
    """Flag, environment, then whatever the policy says."""
    (tree / "handrail.yaml").write_text((tree / "found.yaml").read_text())
    env = {"HANDRAIL_STORE": "sqlite:///e.db"}
    assert found(tree, **env)[1] == "sqlite:///e.db"
    assert found(tree, Options(store="sqlite:///f.db"), **env)[1] == "sqlite:///f.db"


def test_config_names_the_project_and_policy_another_file(tree):
    """So that a draft decides over the project's own store."""
    config = Options(config=tree / "found.yaml")
    assert found(tree, config) == (tree / "found.yaml", "sqlite:///found.db")
    both = Options(policy=tree / "flag.yaml", config=tree / "found.yaml")
    assert found(tree, both) == (tree / "flag.yaml", "sqlite:///found.db")
    env = {"HANDRAIL_POLICY": str(tree / "env.yaml")}
    assert found(tree, config, **env) == (tree / "found.yaml", "sqlite:///found.db")


def test_a_folder_stands_for_the_handrail_yaml_in_it(tree):
    """As people type it."""
    (tree / "handrail.yaml").write_text((tree / "found.yaml").read_text())
    assert found(tree, Options(policy=tree))[0] == tree / "handrail.yaml"


def test_a_store_of_pyproject_is_relative_to_it(tree):
    """Not to the policy's folder."""
    (tree / "a" / "p.yaml").write_text(POLICY)
    (tree / "pyproject.toml").write_text('[tool.handrail]\npolicy = "a/p.yaml"\nstore = "sqlite:///x.db"\n')
    settings = resolve(Options(), {}, tree / "a" / "b")
    assert (settings.policy, settings.store, settings.folder) == (tree / "a" / "p.yaml", "sqlite:///x.db", tree)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.handrail]\npolcy = 'x'\n", "no key 'polcy'. Did you mean 'policy'?"),
        ("[tool.handrail]\npolicy = 3\n", "policy has to be text"),
        ("[tool.handrail]\npolicy = 'none.yaml'\n", "none.yaml is not a file"),
        ("[tool.handrail]\nstore = 'sqlite:///x.db'\n", "names a store but no policy"),
        ("[tool]\nhandrail = 3\n", "has to be a table"),
        ("[tool\n", "cannot be read"),
    ],
)
def test_a_wrong_pyproject_is_a_configuration_error(tree, text, said):
    """With the nearest name."""
    (tree / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigurationError, match="pyproject") as error:
        found(tree)
    assert said in str(error.value)


def test_other_projects_settings_do_not_matter(tree):
    """A pyproject.toml without [tool.handrail] is passed by."""
    (tree / "a" / "pyproject.toml").write_text("[tool.ruff]\n")
    (tree / "pyproject.toml").write_text('[tool.handrail]\npolicy = "py.yaml"\n')
    assert found(tree)[0] == tree / "py.yaml"


@pytest.mark.parametrize("said", [Options(policy="no.yaml"), Options(config="no.yaml")])
def test_a_flag_that_names_no_file_is_a_usage_error(tree, said):
    """The name is told."""
    with pytest.raises(UsageError, match=r"no\.yaml is not a file"):
        found(tree, said)


def test_nothing_at_all_is_a_configuration_error(tree):
    """It says where to go."""
    with pytest.raises(ConfigurationError, match="There is no policy"):
        load_policy(resolve(Options(), {}, tree))


def test_a_store_alone_is_enough_to_read_it(tree):
    """Without any policy."""
    assert store_url(resolve(Options(store="sqlite:///x.db"), {}, tree), None) == "sqlite:///x.db"


def test_a_store_that_a_flag_names_has_to_exist(project):
    """It is never made by looking."""
    result = project.run("log", "--store", "sqlite:///typo.db")
    assert result.exit_code == 3
    assert "--store: there is no store at" in result.stderr
    assert not (project.folder / "typo.db").exists()


def test_looking_never_makes_a_store(project):
    """It would belong to whoever looked."""
    for words in (["log"], ["review", "list"], ["log", "verify"], ["reviewer", "list"], ["start", "lead-enricher"]):
        assert "Nothing is recorded yet" in project.run(*words).stderr
    assert not (project.folder / ".handrail").exists()


def test_a_store_in_memory_cannot_be_seen(project):
    """Each process has its own."""
    with (project.folder / "handrail.yaml").open("a") as file:
        file.write("store: 'memory:'\n")
    assert project.json("log", code=3)["kind"] == "ConfigurationError"


def test_a_broken_policy_names_every_problem(project):
    """With line and column, and code 3."""
    (project.folder / "handrail.yaml").write_text("version: 1\nmodes: enforce\nagent: {}\n")
    result = project.run("review", "list")
    assert result.exit_code == 3
    assert ":2:1:" in result.stderr
    assert ":3:1:" in result.stderr
