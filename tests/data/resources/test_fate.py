"""What the statuses say about a write."""

import http

import pytest

from handrail.data.resources.fate import Fate, named, told
from handrail.data.resources.json_client import NoReply, Reply


@pytest.mark.parametrize("status", [*http.HTTPStatus, 299, 499, 599, 999])
def test_every_status_has_a_fate(status):
    """Only a 2xx is done, only a 4xx certainly is not; 202 and all else leave it open."""
    wanted = Fate.UNSURE
    if 200 <= status < 300 and status != 202:
        wanted = Fate.DONE
    elif status == 412:
        wanted = Fate.MOVED
    elif 400 <= status < 500:
        wanted = Fate.NOT_DONE
    answer = told(Reply(int(status), retry_after_s=3))
    assert answer.fate is wanted
    assert str(int(status)) in answer.why


def test_no_answer():
    """It depends on whether the request may have arrived."""
    assert told(NoReply("refused", sent=False)).fate is Fate.NOT_DONE
    assert told(NoReply("lost", sent=True)).fate is Fate.UNSURE
    assert told(Reply(429, retry_after_s=3)).retry_after_s == 3


def test_names():
    """The standard's, or the bare number."""
    assert named(404) == "404 Not Found"
    assert named(599) == "599"
