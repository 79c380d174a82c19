"""What people answer in a trial."""

from handrail.backtest.asks import Asks


def test_the_two_answers():
    """As the command line spells them."""
    assert [one.value for one in Asks] == ["approved", "refused"]
