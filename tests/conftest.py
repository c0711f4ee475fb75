"""What several test modules share."""

import os
import re
from pathlib import Path

import pytest
import torch

# Nothing of the surroundings may decide how a check presents itself, or what it draws.
for name in ("NBGRADER_EXECUTION", "REWARD_LAB_SEED", "REWARD_LAB_DEVICE"):
    os.environ.pop(name, None)
torch.set_num_threads(1)

LESSON = "01_reward_modeling"
LONG_FIRST = (
    "lessons/lesson04",
    "lesson04",
    "lesson01",
    "grader/test_attacks",
    "grader/test_grading",
    "lesson06",
)
"""What takes longest starts first, so that no worker is left alone with it at the end."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    """Under pytest-xdist (`--dist loadgroup`) what shares something costly runs in one worker.

    A lesson's two runs serve every test that looks at them: one group a lesson. Classes are graded once a file: one
    group a file.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: next((n for n, name in enumerate(LONG_FIRST) if name in _group(item)), 99))


def _group(item) -> str:
    path = item.path.relative_to(Path(__file__).parent).as_posix()
    lesson = getattr(item, "callspec", None) and item.callspec.params.get("lesson_run")
    if lesson:
        return f"lesson{lesson[:2]}"
    claims = re.fullmatch(r"lessons/(lesson\d\d)/test_\w*claims\.py", path)
    return claims.group(1) if claims else path


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
