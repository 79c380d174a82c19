"""What must not be left half done is finished, however often it is interrupted."""

import pytest

from handrail.stores.surely import surely


class Steps:
    """Raises what is left in `errors`, then works."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.done = 0

    def __call__(self):
        if self.errors:
            raise self.errors.pop(0)
        self.done += 1


def test_nothing_happens():
    """It runs once."""
    steps = Steps()
    surely(steps)
    assert steps.done == 1


def test_interrupts_are_raised_afterwards():
    """However many: the action is done, and the first is raised."""
    steps = Steps(*(KeyboardInterrupt(str(n)) for n in range(50)))
    with pytest.raises(KeyboardInterrupt, match=r"^0$"):
        surely(steps)
    assert steps.done == 1


def test_a_handler_may_raise_an_ordinary_exception():
    """A timeout, for example; it is not taken for a failure of the action."""
    steps = Steps(TimeoutError("late"))
    with pytest.raises(TimeoutError, match="late"):
        surely(steps)
    assert steps.done == 1


def test_a_real_failure_has_an_end():
    """It is raised after a few attempts."""
    steps = Steps(*[OSError("broken")] * 9)
    with pytest.raises(OSError, match="broken"):
        surely(steps)
    assert (steps.done, len(steps.errors)) == (0, 6)
