"""What several test modules share."""

import os
from pathlib import Path

import pytest
import torch

# Nothing of the surroundings may decide how a check presents itself, or what it draws.
for name in ("NBGRADER_EXECUTION", "REWARD_LAB_SEED", "REWARD_LAB_DEVICE"):
    os.environ.pop(name, None)
torch.set_num_threads(1)

LESSON = "01_reward_modeling"


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """A built nbgrader course. Tests that grade in it work on a copy."""
    from grader.build import make_course

    folder = tmp_path_factory.mktemp("course")
    make_course(folder)
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
