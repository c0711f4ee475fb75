"""Every lesson's answers on another device: all cases pass; an answer that puts a tensor in the wrong place is told so."""

import importlib
import re

import pytest

from grader.build import lesson_sources
from grader.demo_class import right_answers
from reward_lab.checks.subject import LocalSubject

EXERCISES = [
    (lesson, name)
    for lesson in lesson_sources()
    for name in importlib.import_module(f"reward_lab.lessons.lesson{lesson[:2]}.checks").__all__
]


def answer_of(lesson: str, name: str, device: str):
    """What the lesson's source defines, in a namespace like its notebook's, with its device."""
    from grader.build import read_source

    namespace = {"__name__": "__main__", "device": device}
    for cell in read_source(lesson_sources()[lesson]).cells:
        if cell.cell_type == "code" and re.search(
            r"^from reward_lab.lessons import .*\bstart\b", cell.source, re.MULTILINE
        ):
            exec(cell.source.split("\nSEED")[0], namespace)
    exec(right_answers(lesson)[name], namespace)
    return namespace[name]


@pytest.mark.parametrize("lesson, name", EXERCISES)
def test_the_lessons_answer_passes_every_case_on_another_device(lesson, name, device):
    exercise = getattr(importlib.import_module(f"reward_lab.lessons.lesson{lesson[:2]}.checks"), name)
    answer = answer_of(lesson, name, device)
    report = exercise.report(lambda seed: LocalSubject(answer, device, seed))
    assert report.passed, str(report)
