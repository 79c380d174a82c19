"""Both adapters speak the protocol, so that a caller needs not know which it has."""

import inspect

import pytest

from handrail.data.resources import Files, HttpResources
from handrail.data.resources.protocol import Adapter, Picture, Preview
from handrail.data.resources.traits import Precondition


@pytest.mark.parametrize("adapter", [Files, HttpResources])
@pytest.mark.parametrize("verb", ["observe", "preview", "apply", "undo", "decide"])
def test_every_verb_has_its_parameters(adapter, verb):
    """By name, so that they may be passed by name."""
    assert [*inspect.signature(getattr(adapter, verb)).parameters] == [
        *inspect.signature(getattr(Adapter, verb)).parameters
    ]


def test_a_preview_tells_the_versions_to_expect():
    """One for each picture."""
    pictures = (Picture("a", "v1", b"x", None), Picture("b", "absent", None, b"x"))
    assert Preview(pictures, Precondition.NONE).versions == {"a": "v1", "b": "absent"}
