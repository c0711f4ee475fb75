"""Lesson 9 shows what its text claims, on a machine that has the model. (The run is shared with test_lessons.)

Which answers are drawn differs from machine to machine, as rounding does, so the bounds are wide.
"""

import re

import pytest

from reward_lab.lessons.lesson09 import predict

from ..running import numbers_after, quoted

pytestmark = pytest.mark.slow
LESSON = "09_real_model"


@pytest.fixture
def run(text):
    """What the lesson prints where there is a model."""
    if "This section needs a real model" in text:
        pytest.skip("no real model")
    return text


def table(text: str, name: str) -> list[float]:
    """A row of section 8's table."""
    part = text.split("accuracy: the judge's")[1].split(" win rate ")[0].rpartition("\n")[0]
    (line,) = re.findall(rf"^{name:21s} +(.*)$", part, re.MULTILINE)
    return [float(x) for x in re.findall(r"-?\d+\.\d+", line)]


def test_the_readers_function_agrees_with_what_was_drawn(run):
    yours, drawn = numbers_after("yours:", run), numbers_after("when drawn:", run)
    assert len(yours) == 4 and yours == pytest.approx(drawn, abs=0.01)


def test_the_frozen_model_is_better_on_unseen_prompts(run):
    accuracy = {}
    for name in ("bag of words", "frozen model"):
        accuracy[name] = numbers_after(
            f"{name:14s} ", re.search(rf"^{name}.*\(.* to .*$", run, re.M).group()
        )[0]
    (best,) = re.findall(r"^best possible +([\d.]+)$", run, re.MULTILINE)
    assert (
        accuracy["bag of words"] + 0.01 < accuracy["frozen model"] < float(best) - 0.1
    )  # "far from the best"
    assert quoted(LESSON, "how often anybody could agree (here # %)") == [
        pytest.approx(100 * float(best), abs=3)
    ]


def test_best_of_n_on_the_frozen_model_gains_and_the_bag_hardly(run):
    part = run.split("gold at n =")[1]
    golds = {
        name: [float(x) for x in re.search(rf"^{name} +(.*)$", part, re.MULTILINE).group(1).split()]
        for name in ("bag of words", "frozen model", "chosen by gold")
    }
    start = golds["chosen by gold"][0]
    share = (golds["frozen model"][-1] - start) / (golds["chosen by gold"][-1] - start)
    assert 0.2 < share < 0.5  # "about a third"
    assert golds["bag of words"][-1] - start < 0.6 * (golds["frozen model"][-1] - start)
    assert golds["bag of words"][-1] < max(golds["bag of words"])  # "falls again in the mean"
    peaks = numbers_after("frozen model: gold is highest at n =", run)
    assert len(peaks) == 5 and len(set(peaks)) > 1 and max(peaks) == 64


def test_the_choice_is_earlier_than_the_end(run):
    n, gold, highest = numbers_after("your choice: n =", run)
    assert 1 <= n <= 64 and gold <= highest


def test_dpo_moves_by_more_than_the_error_and_gold_does_not(run):
    if "DPO needs" in run:
        pytest.skip("no TRL or peft")
    rows = re.findall(r"^ +(\d+) +(-?[\d.]+) \+- ([\d.]+) .* ([\d.-]+) \+- ([\d.]+) ", run, re.MULTILINE)
    (_, first, *_), *_, (steps, gold, gold_error, kl, kl_error) = rows
    assert int(steps) == 6 and float(kl) > 3 * float(kl_error) > 0
    assert abs(float(gold) - float(first)) < 2.5 * float(gold_error)


def test_the_biased_judge_is_obeyed_and_like_lengths_mend_it(run):
    own, theirs, paid, *golds = table(run, "biased judge")
    assert theirs < 0.5 < own and paid > 0.2 and max(golds[1:]) < golds[0]  # "falls from the first step"
    fair, mended = table(run, "fair judge"), table(run, "biased, like lengths")
    assert (
        abs(own - fair[0]) < 0.04
        and mended[1] > 0.5
        and mended[-1] > golds[0] + 0.3
        and fair[-1] > golds[0] + 0.3
    )
    rates = {
        name: re.search(rf"^{name:21s} win rate ([\d.]+), length-controlled ([\d.]+)$", run, re.M).groups()
        for name in ("biased judge", "biased, like lengths")
    }
    plain, controlled = map(float, rates["biased judge"])
    assert plain > 0.53 and abs(controlled - 0.5) < 0.03  # "about 0.50"
    assert float(rates["biased, like lengths"][1]) > 0.55


def test_the_right_choices_are_what_the_run_shows():
    rights = {name: question.right for name, question in predict.questions.items() if question.choices}
    assert rights == {"unseen": 2, "hacked": 3}
