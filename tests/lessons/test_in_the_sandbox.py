"""Lessons as the grader sees them: right answers, mistaken ones and none, run in the sandbox."""

import json

import pytest

from grader.demo_class import fill, right_answers
from grader.gradebook import pristine_lessons
from grader.host import sandbox_problem
from grader.settings import Settings
from grader.verify import Worker

from ..grader.attacks import graded

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}"),
]
WRITTEN = {
    "02_bradley_terry": 4,
    "03_noise_ties_calibration": 6,
    "04_pretrained_backbone": 4,
    "06_policy_gradients_ppo": 6,
    "08_dpo": 6,
    "09_real_model": 4,
}
"""Lesson -> points that are given by hand."""
MISTAKEN = {
    "03_noise_ties_calibration": {
        "davidson_nll": ("[ability_i, ability_j, tie]", "[ability_j, ability_i, tie]", "swapped"),
        "noisy_labels": ("generator=generator, ", "", "global generator"),
    },
    "04_pretrained_backbone": {
        "last_token_pool": (None, "    return hidden[:, -1]", "This is the last place"),
        "RewardFromBackbone": ("requires_grad_(not freeze)", "eval()", "`eval()` does not"),
    },
    "06_policy_gradients_ppo": {
        "ppo_loss": ("torch.minimum", "torch.maximum", "This takes the larger of the two"),
    },
}
"""Lesson -> exercise -> (what is changed in the right answer, or None for the whole body; into what; what is said)."""


@pytest.fixture(scope="session")
def grade(course, tmp_path_factory):
    """Grades these answers, exercise -> source, to this lesson."""
    pristine = pristine_lessons(course)
    with Worker(Settings("secret")) as worker:

        def grade(lesson, answers):
            content = json.dumps(fill(pristine[lesson], answers)).encode()
            return graded(worker, content, lesson, pristine[lesson], tmp_path_factory.mktemp("submitted"))

        yield grade


@pytest.mark.parametrize("lesson", WRITTEN)
def test_the_lessons_answers_get_all_points(lesson, grade):
    verdict = grade(lesson, right_answers(lesson))
    assert verdict.status == "graded" and verdict.score == verdict.max_score in (10, 14), verdict
    assert verdict.manual_max == WRITTEN[lesson] and not verdict.notes


@pytest.mark.parametrize("lesson", MISTAKEN)
def test_a_mistake_loses_its_own_points_and_is_named(lesson, grade):
    answers = right_answers(lesson)
    for name, (before, after, _) in MISTAKEN[lesson].items():
        right = answers[name]
        answers[name] = right.replace(before, after) if before else right.split("\n")[0] + "\n" + after
        assert answers[name] != right
    for check in grade(lesson, answers).checks:
        name = check.grade_id.removeprefix("check_")
        assert (check.score < check.max_score) == (name in MISTAKEN[lesson]), check
        assert name not in MISTAKEN[lesson] or MISTAKEN[lesson][name][2] in check.message


def test_a_lesson_as_handed_out_gets_nothing_and_not_yet(grade):
    verdict = grade("04_pretrained_backbone", {})
    assert verdict.score == 0 and all("not yet" in check.message for check in verdict.checks)
