"""What the tests of all lessons share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory, request) -> Path:
    """A folder that all processes of this test run see, and no other run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if hasattr(request.config, "workerinput") else own) / "lessons"
    folder.mkdir(exist_ok=True)
    return folder
