"""A worker that grades what a test hands in."""

import pytest

from grader.settings import Settings
from grader.verify import Worker

from ..conftest import LESSON
from .attacks import graded


@pytest.fixture(scope="module")
def worker(request):
    """One worker for a test module, with the module's TIMEOUT in seconds of CPU time, or 24."""
    with Worker(Settings("s", timeout=getattr(request.module, "TIMEOUT", 24))) as worker:
        yield worker


@pytest.fixture
def verdict_of(worker, pristine, right_answers, tmp_path):
    """Grades what `make(pristine, right_answers)` hands in."""

    def grade(make):
        return graded(worker, make(pristine, right_answers), LESSON, pristine, tmp_path)

    return grade
