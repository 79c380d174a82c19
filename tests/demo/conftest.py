import pytest

from handrail.demo.stages import Silent


@pytest.fixture
def stage(tmp_path):
    return Silent(tmp_path)
