"""Lesson 5 shows what its text claims. (The run of the lesson is shared with test_lessons; reading it costs nothing.)"""

import math
import re

import numpy as np
import pytest
import torch

from reward_lab import statistics
from reward_lab.lessons.lesson05 import predict
from reward_lab.lessons.lesson05.world import Answers, draw_answers, in_three_styles, with_one_more_filler

from ..running import numbers_after, quoted

pytestmark = pytest.mark.slow
LESSON = "05_evaluating_reward_models"


def test_accuracy_rises_with_the_own_judge_and_falls_with_the_fair_one_in_five_of_five(text):
    own = {lam: numbers_after(f"bias {lam}: own judge ", text) for lam in (0.0, 0.2, 0.4)}
    limits = [row[5] for row in own.values()]
    assert np.allclose(limits, (0.811, 0.823, 0.845), atol=2e-3)
    assert all(
        limit - 0.015 < a < limit for row, limit in zip(own.values(), limits, strict=True) for a in row[:5]
    )
    assert max(own[0.0][:5]) < min(own[0.2][:5]) and max(own[0.2][:5]) < min(own[0.4][:5])
    fair = {lam: numbers_after(f"bias {lam}: judge without bias ", text) for lam in (0.0, 0.2, 0.4)}
    assert fair[0.0][1] > fair[0.2][2] and fair[0.2][1] > fair[0.4][2]  # ranges do not touch
    assert abs(fair[0.4][0] - 0.72) < 0.01 and abs(fair[0.0][0] - 0.81) < 0.01
    assert quoted(LESSON, "About #. While the one accuracy rises the other falls, in five of five.") == [0.72]


def test_best_of_16_gets_longer_and_worse(text):
    rows = [numbers_after(f"bias {lam}: best of 16 has quality ", text) for lam in (0.0, 0.2, 0.4)]
    quality, length = ([row[i] for row in rows] for i in (0, 1))
    assert quality[0] > quality[1] + 0.1 > quality[2] + 0.3 and length[0] + 1 < length[1] < length[2] - 0.5


def test_correlation_does_not_tell_the_two_apart_and_the_edit_does(text):
    biased, honest = (
        numbers_after("bias 0.2:                     ", text),
        numbers_after("no bias, good answers longer: ", text),
    )
    assert min(biased) < max(honest) and min(honest) < max(biased)  # "the ranges overlap"
    found = numbers_after("bias 0.2                     ", text)
    nothing = numbers_after("no bias, good answers longer ", text)
    assert min(found) > 0.15 and max(map(abs, nothing)) < 0.05
    assert (
        numbers_after("largest standard error: ", text)[0] < 0.002 < np.std(found)
    )  # "the spread is much larger"


def test_the_slope_alone_finds_a_bias_of_almost_02_too_much(text):
    block = text[text.index("slope of the reward in the length alone") :]
    for lam in (0.0, 0.2, 0.4):
        slopes = re.findall(rf"^bias {lam}: (.*)$", block, re.MULTILINE)[0].split()
        assert 0.12 < np.mean([float(x) for x in slopes]) - lam < 0.22


def test_length_control_brings_the_win_rate_near_that_of_a_fair_judge(text):
    rows = np.array([
        [float(x) for x in row]
        for row in re.findall(r"^bias (.*): raw (.*), length-controlled (.*), judge without bias (.*)$", text, re.M)
    ])  # fmt: skip
    assert len(rows) == 15
    raw, controlled, fair = (rows[rows[:, 0] == 0.4][:, i].mean() for i in (1, 2, 3))
    assert abs(raw - 0.6) < 0.01 and abs(controlled - 0.52) < 0.01 and abs(controlled - fair - 0.02) < 0.01
    assert abs(raw - fair - 0.1) < 0.015
    assert np.abs(rows[:, 2] - rows[:, 3]).max() < 0.035


def test_hard_falls_below_guessing_in_five_of_five(text):
    table = {
        (lam, kind): numbers_after(f"bias {lam}, {kind:6s}: ", text)
        for lam in (0.0, 0.2, 0.4)
        for kind in ("easy", "normal", "hard")
    }
    assert all(len(row) == 5 for row in table.values())
    assert (
        max(table[0.4, "hard"]) < 0.47 and min(table[0.4, "normal"]) > 0.93 and min(table[0.0, "hard"]) > 0.98
    )
    assert abs(np.mean(table[0.2, "hard"]) - 2 / 3) < 0.06
    assert min(row for lam in (0.0, 0.2, 0.4) for row in table[lam, "easy"]) > 0.99
    better, worse = in_three_styles(4000, torch.Generator().manual_seed(3))
    assert abs((better[0].quality - worse[0].quality).mean() - 2.0) < 0.3  # "about 2"


def test_the_benchmark_gives_full_marks_for_nothing_and_mended_a_quarter(text):
    wrong, right = re.findall(r"^a model that has learnt nothing: (.*)$", text, re.MULTILINE)
    assert (wrong, right) == ("1.000", "0.250")
    mended = {lam: numbers_after(f"bias {lam}, mended: ", text) for lam in (0.0, 0.2, 0.4)}
    assert min(mended[0.0]) > 0.99 and max(mended[0.2]) < 0.9 and abs(np.mean(mended[0.4]) - 0.7) < 0.03
    block = text[text.index("questions, a coin would get") :]
    for lam in (0.2, 0.4):
        his = [float(x) for x in re.findall(rf"^bias {lam}: (.*)$", block, re.MULTILINE)[0].split()]
        assert all(a > b + 0.05 for a, b in zip(his, mended[lam], strict=True))
    for lam in (0.0, 0.2, 0.4):
        ties = numbers_after(f"bias {lam}: ties at the top ", text)
        assert np.mean(ties[:5]) > 0.5 and ties[5:] == [0.0] * 5
    low, high = (torch.sigmoid(torch.tensor(r + 8.0)).bfloat16() for r in (-1.5, 1.0))
    assert low == high and torch.sigmoid(torch.tensor([6.5, 9.0])).tolist() == pytest.approx(
        [0.9985, 0.9999], abs=6e-5
    )


def test_rewardbenchs_numbers_are_reproduced(text):
    assert numbers_after("right counts: ", text) == [0.7686] and numbers_after("swapped counts: ", text) == [
        0.8076
    ]


def test_the_paired_test_needs_two_thousand_pairs(text):
    rows = re.findall(
        r"^ *(\d+) pairs: accuracy (.*) and (.*), alone right +(\d+) against +(\d+), p = (.*)$", text, re.M
    )
    p = {int(n): float(value) for n, *_, value in rows}
    assert (
        len(p) == 7
        and all(p[n] > 0.2 for n in (50, 100, 200, 500, 1000))
        and p[2000] < 0.05
        and p[5000] < 1e-4
    )
    first, second = map(float, rows[-1][1:3])
    assert 0.02 < first - second < 0.03  # "two to three points"


def test_the_readers_functions_agree_with_the_packages(text):
    rows = re.findall(r"^.*, bias 0\.[04]: (-?[\d.]+), yours: (-?[\d.]+)$", text, re.MULTILINE)
    assert len(rows) == 10 and all(theirs == own for theirs, own in rows)


def test_the_numbers_worked_by_hand_are_right():
    assert 1 / (1 + math.exp(-2)) == pytest.approx(0.881, abs=5e-4)
    d = torch.tensor([0.3, 0.1, 0.5, 0.3])
    assert d.std().item() / 2 == pytest.approx(0.0816, abs=5e-5)
    wins, lengths = [1.0] * 24 + [0.0] * 6 + [1.0] * 4 + [0.0] * 6, [1.0] * 30 + [-1.0] * 10
    assert statistics.length_controlled_win_rate(wins, lengths) == pytest.approx(0.6202, abs=5e-5)
    style = statistics.style_accuracy(
        torch.tensor([[1, 2, 3], [0.5, 1, 1.5]]), torch.tensor([[0, 1.5, 2], [1, 1, 2]])
    )
    assert list(style.values()) == pytest.approx([0.8333, 0.5, 0.0], abs=5e-5)
    best = torch.tensor([[2.0, 1, 1, 0], [1, 1, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]])
    assert statistics.best_of_k_accuracy(best) == pytest.approx(0.4375)
    for b, c, p in ((5, 1, 0.2188), (10, 2, 0.0386), (4, 0, 0.125)):
        assert statistics.paired_test([True] * b + [False] * c, [False] * b + [True] * c) == pytest.approx(
            p, abs=5e-5
        )


def test_the_world_is_as_the_text_says():
    answers = draw_answers(20_000, torch.Generator().manual_seed(0))
    content = ((answers.token_ids > 0) & (answers.token_ids < 13)).sum(dim=1)
    fillers = (answers.token_ids >= 13).sum(dim=1)
    assert (content.min(), content.max(), fillers.min(), fillers.max()) == (2, 6, 0, 10)
    one = Answers(torch.tensor([[1, 1, 7, 13] + [0] * 12]))
    assert one.quality.item() == pytest.approx(0.6) and one.length.item() == 4
    before, after = with_one_more_filler(answers, torch.Generator().manual_seed(1))
    assert (after.length - before.length == 1).all() and torch.equal(after.quality, before.quality)
    verbose = draw_answers(20_000, torch.Generator().manual_seed(2), fewest=4)
    assert (verbose.token_ids >= 13).sum(dim=1).min() == 4
    assert abs(verbose.quality.mean() - answers.quality.mean()) < 0.05


def test_the_right_choices_are_what_the_run_shows(text):
    """Each is held by a test above: rising accuracy, overlapping correlations, hard below a half, ties and argmax."""
    rights = {name: question.right for name, question in predict.questions.items() if question.choices}
    assert rights == {"own": 3, "correlation": 3, "hard": 3, "bug": 3}
