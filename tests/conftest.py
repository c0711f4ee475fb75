"""What several test modules share."""

import os
import re
from pathlib import Path

import pytest
import torch
from filelock import FileLock

# Nothing of the surroundings may decide how a check presents itself, or what it draws.
for name in ("NBGRADER_EXECUTION", "REWARD_LAB_SEED", "REWARD_LAB_DEVICE"):
    os.environ.pop(name, None)
torch.set_num_threads(1)

LESSON = "01_reward_modeling"


def pytest_collection_modifyitems(items):
    """The long ones first: with several processes, what runs last should be short."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file's tests stay in one process, which makes their fixtures once; but the lessons of a file may part.

    What looks at the run of a lesson stays with what runs it, so that no process waits for another's run.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFileAndLesson(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            if claims := re.search(r"lesson(\d\d)/test_claims\.py$", file):
                return "tests/lessons/test_lessons.py" + claims[1]
            lesson = re.search(r"\[(\d\d)[-_]", test)
            return file + (lesson[1] if lesson else "")

    config.option.loadscopereorder = False  # it would put the groups of many tests first
    return ByFileAndLesson(config, log)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory, request) -> Path:
    """A folder that all processes of this test run see, and no other run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if hasattr(request.config, "workerinput") else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def course(shared_folder) -> Path:
    """A built nbgrader course, made once for all processes. Tests that grade in it work on a copy."""
    from grader.build import make_course

    folder, done = shared_folder / "course", shared_folder / "course-is-built"
    with FileLock(shared_folder / "course.lock"):
        if not done.exists():
            make_course(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def pristine(course):
    """The student version of lesson 1."""
    from grader.gradebook import pristine_lessons

    return pristine_lessons(course)[LESSON]


@pytest.fixture(scope="session")
def right_answers() -> dict[str, str]:
    """grade_id -> the answer in lesson 1's source."""
    from grader.demo_class import right_answers

    return right_answers(LESSON)
