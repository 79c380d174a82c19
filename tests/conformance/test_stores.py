"""Every store keeps the same promises."""

import pytest

from handrail.testing.conformance import CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_conformance(case, store):
    case(store)
