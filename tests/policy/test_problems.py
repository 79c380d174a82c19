from handrail.errors import ConfigurationError, PolicyError
from handrail.policy.problems import NOWHERE, Mark, Problems


def test_problems_are_listed_in_the_order_of_the_file():
    """Each once, with file, line and column; those of the file as a whole come first."""
    problems = Problems("handrail.yaml")
    assert not problems
    problems.add(Mark(3, 1), "rule 'x' is wrong.")
    problems.add(Mark(1, 5), "b")
    problems.add(Mark(3, 1), "rule 'x' is wrong.")
    problems.add(NOWHERE, "a")
    assert str(problems.error()) == "handrail.yaml: A\nhandrail.yaml:1:5: B\nhandrail.yaml:3:1: Rule 'x' is wrong."


def test_a_policy_error_is_an_error_of_the_configuration():
    """Callers that catch ConfigurationError catch it."""
    assert issubclass(PolicyError, ConfigurationError)
