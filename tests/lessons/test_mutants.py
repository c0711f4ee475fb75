"""No mutant of a lesson's own answer gets full marks, but those that are right all the same.

A lesson's test says which these are: EQUIVALENT, exercise -> {regular expression on what was changed: the reason}. An
exercise that is missing there is not tried.
"""

import re

import pytest

from grader.demo_class import right_answers

from .mutants import mutants, survivors
from .test_all_checks import LESSONS

TRIED = [
    pytest.param(lesson, name, id=f"{lesson[:2]}-{name}")
    for lesson, tables in LESSONS.items()
    for name in getattr(tables, "EQUIVALENT", {})
]


@pytest.mark.slow
@pytest.mark.parametrize("lesson, name", TRIED)
def test_no_mutant_gets_full_marks_but_those_that_are_right(lesson, name):
    tables = LESSONS[lesson]
    lived = survivors(lesson, name)
    wrong = [what for what in lived if not any(re.search(known, what) for known in tables.EQUIVALENT[name])]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("lesson, name", TRIED)
def test_every_equivalent_mutant_that_is_listed_can_arise(lesson, name):
    found = [what for what, _ in mutants(right_answers(lesson)[name])]
    for known in LESSONS[lesson].EQUIVALENT[name]:
        assert any(re.search(known, what) for what in found), known
