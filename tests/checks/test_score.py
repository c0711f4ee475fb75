"""The learner sees what the exercises of a lesson have earned, and no grade depends on it."""

from types import SimpleNamespace

import pytest

from reward_lab.checks import exercise as exercises
from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.score import NOTE, Score


def exercise_of(name: str, *points: float) -> Exercise:
    made = Exercise(name, first_step="")
    for number, value in enumerate(points):

        @made.case(f"case {number}", points=value)
        def _(subject, draw, number=number):
            reply = subject.call(number)
            if reply.value is not True:
                raise Mistake("True", "something else")

    return made


@pytest.fixture
def check(monkeypatch):
    monkeypatch.setattr(exercises, "CHECKED", {})
    monkeypatch.setattr("reward_lab.checks.score.CHECKED", exercises.CHECKED)
    names = {"a": exercise_of("a", 1, 2), "b": exercise_of("b", 3), "c": exercise_of("c", 4)}
    return SimpleNamespace(__all__=list(names), **names)


def unwritten(number):
    raise NotImplementedError


def test_nothing_checked_is_said_of_every_exercise(check):
    lines = str(Score(check)).splitlines()
    assert lines[0] == "0 of 10 points so far" and lines[-1] == NOTE
    assert [line.split()[0] for line in lines[1:-1]] == ["a", "b", "c"]
    assert all("not checked in this session" in line for line in lines[1:-1])


def test_the_last_check_counts_and_those_checked_come_first(check):
    check.b(unwritten)
    check.a(lambda number: True)
    check.a(lambda number: number == 1)
    score = Score(check)
    assert score.headline == "2 of 10 points so far"
    assert score.rows == [
        ("b", "0 of 3", "not yet written"),
        ("a", "2 of 3", "some cases fail"),
        ("c", "0 of 4", "not checked in this session"),
    ]
    page = score._repr_html_()
    assert "<code>a</code>" in page and "2 of 3" in page
    assert page.count("color") == page.count("color:inherit")  # reads in any theme


def test_what_a_check_returns_is_its_own_report_still(check):
    report = check.a(lambda number: True)
    assert report.score == 3 and {"a": report} == exercises.CHECKED
