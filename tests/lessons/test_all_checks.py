"""What the checks of every lesson must do: full marks for each right answer, on any seed; a mistake is told what it is.

The answers stand in `lessonNN/test_checks.py`: LEGITIMATE, KNOWN (those of the check's own table) and MISTAKES (as
students write them).
"""

import importlib

import pytest
import torch

from grader.build import lesson_sources

from .answers import SEEDS

LESSONS = {
    lesson: importlib.import_module(f"tests.lessons.lesson{lesson[:2]}.test_checks")
    for lesson in lesson_sources()
}


def cases(table: str):
    """(tables of the lesson, exercise, ...) of each row of a table of every lesson."""
    return [
        pytest.param(lesson, *row.values, id=f"{name[:2]}-{row.id}")
        for name, lesson in LESSONS.items()
        for row in getattr(lesson, table)
    ]


def slow_ones_marked(rows):
    """The same, with the answers marked that a lesson's SLOW holds: those that take long, with the seeds to try."""
    for row in rows:
        lesson, _, answer = row.values
        slow = answer in getattr(lesson, "SLOW", {})
        yield pytest.param(*row.values, id=row.id, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("lesson, name, answer", list(slow_ones_marked(cases("LEGITIMATE"))))
def test_a_legitimate_answer_gets_full_marks_whatever_the_seed(lesson, name, answer):
    slow = getattr(lesson, "SLOW", {})
    for seed in SEEDS[: slow.get(answer, getattr(lesson, "NUM_SEEDS", len(SEEDS)))]:
        report = lesson.report_on(name, answer, seed)
        assert report.score == report.max_score, str(report)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA here: the checks' verdicts on it are not tested"
)
@pytest.mark.parametrize("lesson, name, answer", cases("LEGITIMATE"))
def test_a_legitimate_answer_gets_full_marks_on_cuda(lesson, name, answer):
    report = lesson.report_on(name, answer, "secret", "cuda")
    assert report.score == report.max_score, str(report)


@pytest.mark.parametrize("lesson, name, said, answer", cases("KNOWN"))
def test_a_known_mistake_is_named(lesson, name, said, answer):
    for seed in getattr(lesson, "KNOWN_SEEDS", ["secret"]):
        report = lesson.report_on(name, answer, seed)
        assert report.score < report.max_score and said in str(report), str(report)


WRONG = [
    pytest.param(lesson, *mistake, id=f"{number[:2]}-{what}")
    for number, lesson in LESSONS.items()
    for what, mistake in lesson.MISTAKES.items()
]


@pytest.mark.parametrize("lesson, name, answer, says", WRONG)
def test_a_mistake_loses_points_and_is_told_what_it_is(lesson, name, answer, says):
    report = lesson.report_on(name, answer, "secret")
    assert report.score < report.max_score, str(report)
    assert says in str(report), str(report)
