"""Lesson 7 shows what its text claims. (The run of the lesson is shared with test_lessons; reading it costs nothing.)"""

import re

import pytest

from reward_lab.lessons.lesson07 import predict

from ..running import numbers_after

pytestmark = pytest.mark.slow
LESSON = "07_overoptimization"
SEEDS = 5


def rows(pattern: str, text: str, count: int = SEEDS) -> list[tuple[float, ...]]:
    """The numbers of each line that a pattern matches: so many lines, and no other."""
    found = re.findall(pattern, text, re.MULTILINE)
    assert len(found) == count, (pattern, found)
    return [tuple(float(x.replace(",", "")) for x in ([r] if isinstance(r, str) else r)) for r in found]


def test_the_reward_models_are_good_and_below_their_limit(text):
    (limit,) = numbers_after("the gold reward itself, the best possible:", text)
    assert abs(limit - 0.8128) < 1e-3
    for accuracy, correlation in rows(
        r"^reward model \d: held-out accuracy ([\d.]+), correlation with gold ([\d.]+)", text
    ):
        assert 0.74 < accuracy < limit and 0.88 < correlation < 0.93  # "about 0.9"
    assert "262,144 answers" in text and "gold reward of the reference: -1.682" in text
    assert "of the best answer: 5, 'please restart first then update thanks'" in text


def test_the_kl_follows_its_bound(text):
    table = rows(r"^ *([\d,]+) +([\d.]+) +([\d.]+)$", text, 11)
    assert all(kl <= bound + 1e-4 for _, kl, bound in table)
    assert all(bound - kl < 1e-3 for n, kl, bound in table if n <= 65536)
    assert table[-1][0] == 2**20 and 12.8 < table[-1][1] < 13.0  # "13 nats"
    assert numbers_after("the first power of two beyond 2.4 nats:", text)[0] == 32  # "about 30"


def test_the_estimate_is_good_but_for_its_end_and_the_readers_functions_agree(text):
    middle, more, end = numbers_after("range of the five estimates:", text)[0::2]
    assert middle < 0.1 and more < 0.6 and end > 2
    (exact,) = rows(r"^your best_of_n: at most ([\d.]+) from", text, 1)
    (estimate,) = rows(r"^your estimate, first set: at most ([\d.]+) from", text, 1)
    assert exact[0] == 0 and estimate[0] < 0.4


def test_gold_turns_in_five_of_five(text):
    table = rows(r"^ +\d +([\d.]+) +(\d+) +(\d\.\d+) +([\d.]+) +([\d.]+)$", text)
    for top, n, kl, gold, learnt in table:
        assert n in (256, 512) and 4 < kl < 6 and top > gold + 1 and learnt > 4  # "some hundred draws"
    (first,) = rows(r"^n = +1: ([\d.]+) ", text, 1)
    (last,) = rows(r"^n = 1,048,576: ([\d.]+) ", text, 1)
    assert first[0] < 0.03 and last[0] > 0.98  # crowded answers


def test_the_optimum_has_more_learnt_reward_and_less_gold_and_ppo_goes_the_same_road(text):
    for kl, learnt, gold in rows(
        r"^at ([\d.]+) nats, optimum minus best-of-1,024: learnt ([-+\d.]+), gold ([-+\d.]+)", text
    ):
        assert 5.9 < kl < 6 and 0 < learnt < 0.15 and gold < -0.2
    free, penalised = (
        numbers_after(f"PPO, {name}: ends at KL", text) for name in ("no penalty", "beta 0.25 ")
    )
    assert min(free[:SEEDS]) > 17 and max(free[SEEDS:]) < -1.68  # "far below"
    assert min(penalised[:SEEDS]) > 3.5 and max(penalised[:SEEDS]) < 5.5 and min(penalised[SEEDS:]) > 1.8


def test_the_forms_describe_and_do_not_foresee(text):
    line = r" +\d +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)$"
    for name in ("best-of-n", "exact optimum"):
        for bon, rl, top, whole, early in rows(f"^{name}{line}", text):
            assert bon > 0.92 and bon > rl and abs(whole - top) < 1  # the best-of-n form fits better in all
            assert early > 1.8 * top  # "two or three times too far out, or further"


def test_the_second_model_never_sees_the_turn_and_a_few_comparisons_do(text):
    for accuracy, agree in rows(
        r"^second model \d: held-out accuracy ([\d.]+), correlation with the first ([\d.]+)", text
    ):
        assert 0.73 < accuracy < 0.81 and agree > 0.9
    assert numbers_after("she chooses n =", text) == [2**20] * SEEDS
    assert "gold has turned in 5 of 5" in text
    for p, needed, near in rows(r"with p = ([\d.]+): (\d+) comparisons; .*: (\d+)$", text):
        assert 0.65 < p < 0.75 and 25 <= needed <= 60 and 100 < near < 800  # "about 50", "some hundreds"
    for chosen, hers, best in rows(r"gold ([\d.]+) \(hers ([\d.]+), the best n ([\d.]+)\)", text):
        assert chosen > best - 0.1 > hers + 0.8
    assert "yours: 256" in text


def test_both_remedies_end_above_one_model_in_five_of_five_and_none_is_a_cure(text):
    ways = ("one model", "five, mean", "five, uwo", "own texts labelled")
    table = {way: numbers_after(f"{way:18s} ", text) for way in ways}
    tops, ends = ({way: row[a:b] for way, row in table.items()} for a, b in ((0, 5), (5, 10)))

    def above(way: str) -> int:
        return sum(a > b for a, b in zip(ends[way], ends["one model"], strict=True))

    assert above("five, uwo") == above("own texts labelled") == 5 and above("five, mean") == 4
    turned = sum(top > end for way in ways[1:] for top, end in zip(tops[way], ends[way], strict=True))
    assert turned > 10  # "most curves still turn", of 15
    assert max(max(row) for row in tops.values()) < 4.5  # nobody arrives at 5
    means = {way: table[way][10] for way in ways}
    assert means["one model"] < means["five, mean"] < min(means["five, uwo"], means["own texts labelled"])
    assert abs(means["five, uwo"] - means["own texts labelled"]) < 0.5  # "about as much"


def test_the_right_choices_are_what_the_run_shows(text):
    """Each is held by a test above: the estimates' range, the turn, the optimum, the fits, and the remedies' ends."""
    rights = {name: question.right for name, question in predict.questions.items() if question.choices}
    assert rights == {"poor": 3, "gold": 3, "optimum": 3, "foresees": 3, "cure": 2}
