"""What the tests of all lessons share."""

import pytest

from .running import printed, run_once


@pytest.fixture(scope="module")
def text(request, shared_folder) -> str:
    """Everything that the test module's LESSON prints when it runs with its answers."""
    return printed(run_once(request.module.LESSON, "source", shared_folder)[0])
