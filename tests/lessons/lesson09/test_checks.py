"""The checks of lesson 9 accept every legitimate way to write an answer, and name the usual mistakes."""

import pytest

from reward_lab.checks.subject import LocalSubject
from reward_lab.lessons.lesson09 import checks

SEEDS = ["public", *(f"secret-{number}" for number in range(6))]


def report_on(answer, seed="public"):
    return checks.win_rate.report(lambda s: LocalSubject(answer, "cpu", s), seed)


def by_sign(first, second):
    """A 0-dim tensor in place of a Python number."""
    return ((first - second).sign() + 1).mean() / 2


def in_python(first, second):
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


def untouched(first, second):
    raise NotImplementedError()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("answer", [by_sign, in_python])
def test_a_right_answer_has_full_marks(answer, seed):
    report = report_on(answer, seed)
    assert report.score == report.max_score == 10, str(report)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("said, answer", checks.MISTAKES.items())
def test_a_usual_mistake_costs_points_and_is_named(said, answer, seed):
    report = report_on(answer, seed)
    assert report.score < 10 and said in str(report)


def test_an_untouched_exercise_is_not_yet():
    report = report_on(untouched)
    assert report.not_yet and report.score == 0 and "not yet" in str(report)
