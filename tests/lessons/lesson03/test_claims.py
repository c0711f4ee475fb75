"""What the text of lesson 3 says is what its cells print."""

import re

import pytest
import torch

from reward_lab import statistics
from reward_lab.lessons.lesson03 import experiments

from ..running import quoted

pytestmark = pytest.mark.slow
LESSON = "03_noise_ties_calibration"


def numbers(pattern: str, text: str) -> list[float]:
    """The groups of the first match, as numbers."""
    found = re.search(pattern, text)
    assert found, pattern
    return [float(group) for group in found.groups()]


def compared(text: str, situation: str) -> dict[str, dict[str, float]]:
    """What the table of section 5 says on one situation: loss -> lowest, highest and mean of both scores."""
    block = text.split(f"{situation}\n")[1]
    rows = re.findall(
        r"  ([\w ,=.-]+): accuracy ([\d.]+) to ([\d.]+), mean ([\d.]+);\n"
        r" +log loss above its floor ([\d.]+) to ([\d.]+), mean ([\d.]+)",
        block,
    )[:3]
    names = ("low", "high", "accuracy", "least", "most", "excess")
    return {loss.split(",")[0]: dict(zip(names, map(float, values), strict=True)) for loss, *values in rows}


def test_the_limits_of_the_world_are_those_of_the_text(text):
    (agreement,) = numbers(r"agreement between two people +([\d.]+)", text)
    (accuracy,) = numbers(r"Bayes accuracy .* ([\d.]+)", text)
    assert agreement == pytest.approx(0.72, abs=0.005) and accuracy == pytest.approx(0.80, abs=0.005)
    best, score = numbers(r"best forecast ([\d.]+), its Brier score ([\d.]+)", text)
    assert best == pytest.approx(0.3, abs=0.021) and score == pytest.approx(0.21, abs=0.002)
    low, high = numbers(r"true p on 100,000 labels: Brier score ([\d.]+) to ([\d.]+)", text)
    right, wrong = numbers(r"E\[p\(1-p\)\] = ([\d.]+), E\[min\(p, 1-p\)\^2\] = ([\d.]+)", text)
    assert low < right < high and wrong < 0.5 * low


def test_noise_lowers_the_ceiling_and_the_scale_but_not_the_order(text):
    assert numbers(r"   0.2 +([\d.]+) ", text)[0] == pytest.approx(0.68, abs=0.005)
    low, high, worst, best = numbers(
        r"flip rate 0.2: scale ([\d.]+) to ([\d.]+), accuracy ([\d.]+) to ([\d.]+)", text
    )
    assert 0.35 < low <= high < 0.45
    assert 0.79 < worst <= best < 0.80
    assert numbers(r"smoothed +at flip rate 0.2: scale ([\d.]+) to ([\d.]+)", text)[1] < low
    low, high = numbers(r"corrected +at flip rate 0.2: scale ([\d.]+) to ([\d.]+)", text)
    assert 0.95 < low <= high < 1.05


def test_the_shapes_of_the_losses_are_those_of_the_text(text):
    assert "smoothed loss at ln(0.9/0.1) = 2.1972: 0.3251" in text
    slopes = {
        name: numbers(rf"{name}.* slope at margin -8: ([-+\d.]+), at \+8: ([-+\d.]+)", text)
        for name in ("Bradley-Terry", "smoothed", "flip-corrected")
    }
    assert slopes["Bradley-Terry"] == [-1.0, 0.0]
    assert slopes["smoothed"] == [-0.9, 0.1]
    assert -0.01 < slopes["flip-corrected"][0] < 0 and slopes["flip-corrected"][1] == 0


def test_each_remedy_helps_where_the_text_says_so_and_nowhere_else(text):
    few = compared(text, "linear model, 200 pairs, no slips")
    assert few["smoothed"]["excess"] < 0.8 * few["Bradley-Terry"]["excess"]
    assert abs(few["smoothed"]["accuracy"] - few["Bradley-Terry"]["accuracy"]) < 0.005
    assert few["corrected"]["least"] > 5
    noisy = compared(text, "linear model, 200 pairs, 20 % slips")
    assert noisy["smoothed"]["excess"] > 0.95 * noisy["Bradley-Terry"]["excess"]
    assert noisy["corrected"]["least"] > 5
    many = compared(text, "linear model, 5,000 pairs, 20 % slips")
    assert many["corrected"]["most"] < 0.02 < many["Bradley-Terry"]["least"]
    assert many["Bradley-Terry"]["most"] < many["smoothed"]["least"]
    network = compared(text, "network, 2,000 pairs, 20 % slips")
    assert network["smoothed"]["most"] < network["Bradley-Terry"]["least"]
    assert network["Bradley-Terry"]["most"] < network["corrected"]["least"]
    assert network["smoothed"]["high"] < network["Bradley-Terry"]["low"]
    assert (
        network["Bradley-Terry"]["high"] < network["corrected"]["low"] < network["corrected"]["high"] < 0.75
    )


def test_the_colleagues_number_is_close_to_the_limit_and_ours_is_not(text):
    rows = re.findall(r"seed \d +([\d.]+) +([\d.]+) +([\d.]+)", text)
    assert len(rows) == 3
    for ours, theirs, limit in (map(float, row) for row in rows):
        assert ours < 0.65 and limit - 0.015 < theirs < limit


def test_the_ties_are_those_of_the_text(text):
    worths = {
        name: [float(x) for x in re.search(rf"{name} +((?:0\.\d{{4}} ?){{6}})", text).group(1).split()]
        for name in ("Davidson", "Rao, Kupper", "ties dropped", "ties halved")
    }
    assert worths["Davidson"] == [0.1388, 0.1730, 0.1617, 0.1654, 0.1587, 0.2024]
    orders = {tuple(sorted(range(6), key=values.__getitem__)) for values in worths.values()}
    assert len(orders) == 1
    assert "nu = 0.7468" in text
    alike, davidson, rao_kupper, free = (
        numbers(rf"{name} +(1\.\d+)", text)[0] for name in ("all alike", "Davidson", "Rao-Kupper", "free")
    )
    assert free < davidson < alike and abs(davidson - rao_kupper) <= 0.0001
    leagues = text.split("a league after ")[1:]
    scale = r" +([\d.]+) to ([\d.]+); true order in 5 of 5"
    for league, right in zip(leagues, ("Davidson ", "Rao and Kupper "), strict=True):
        low, high = numbers(r"  " + right + scale, league)
        assert 0.9 < low < 1 < high < 1.1
    assert numbers("ties halved" + scale, leagues[0])[1] < 0.7
    assert numbers("ties halved" + scale, leagues[1])[1] < 1
    low, high = numbers("ties dropped" + scale, leagues[0])
    assert 0.9 < low < 1 < high < 1.1
    assert numbers("ties dropped" + scale, leagues[1])[0] > 1.1
    assert numbers("Rao and Kupper" + scale, leagues[0])[1] < 0.8
    assert numbers("  Davidson" + scale, leagues[1])[0] > 1.15


def test_the_calibration_is_that_of_the_text(text):
    for n, about in (("100", 0.09), ("10,000", 0.009)):
        mean, calculated = numbers(rf"(?m)^ *{n} labels: ECE .* mean ([\d.]+), calculated ([\d.]+)", text)
        assert mean == pytest.approx(about, abs=0.2 * about) and calculated == pytest.approx(mean, rel=0.15)
    rows = {
        name: [
            list(map(float, row))
            for row in re.findall(rf"{name} +before ([\d.]+), after ([\d.]+), limit ([\d.]+)", text)
        ]
        for name in ("accuracy", "brier", "log_loss")
    }
    assert all(len(values) == 3 for values in rows.values())
    assert all(before == after < limit for before, after, limit in rows["accuracy"])
    assert all(before > after > limit + 0.03 for before, after, limit in rows["brier"])
    assert all(before > 0.693 + 0.3 and limit < after < 0.56 for before, after, limit in rows["log_loss"])
    plain = numbers(r"plain network +ECE ([\d.]+)", text)[0]
    scaled = numbers(r"after division by .* ECE ([\d.]+)", text)[0]
    chance = numbers(r"ECE of a calibrated forecaster on as many labels: about ([\d.]+)", text)[0]
    assert 0.18 < plain < 0.25 and scaled < 0.02 and 1.4 < scaled / chance < 3


def test_the_numbers_worked_by_hand_are_right():
    """0.1 s: no run is needed."""
    margins = torch.tensor([2.0, -1.0], dtype=torch.float64)
    label, loss, second, second_loss, mean = quoted(
        LESSON,
        r"= #$, loss #. The second $0.9 \cdot 0.2689 + 0.1 \cdot 0.7311 = #$, loss #. The mean is #",
    )
    corrected = [statistics.flip_corrected_loss(margin[None], 0.1).item() for margin in margins]
    assert (loss, second_loss) == tuple(round(value, 4) for value in corrected)
    assert (label, second) == tuple(round(float(torch.exp(-torch.tensor(value))), 4) for value in corrected)
    assert mean == round(statistics.flip_corrected_loss(margins, 0.1).item(), 4)
    (smoothed,) = quoted(LESSON, r"0.3133 = 1.2133$. The mean is #")
    assert smoothed == round(statistics.smoothed_bt_loss(margins, 0.1).item(), 4)


def test_people_agree_as_often_as_the_text_says(text):
    (percent,) = quoted(LESSON, "People agree with each other on # % of pairs here")
    p = experiments.draw_world(200_000, 7).p
    assert 100 * (p**2 + (1 - p) ** 2).mean() == pytest.approx(percent, abs=0.4)
    assert numbers(r"two people agree on ([\d.]+)% of pairs", text)[0] == pytest.approx(percent, abs=0.5)
    model, people = quoted(LESSON, "(in the lesson's world # against #)")
    (best,) = numbers(r"Bayes accuracy .* ([\d.]+)", text)
    assert best == pytest.approx(model, abs=0.006) and people == percent / 100


def test_the_numbers_that_the_text_quotes_are_those_of_the_run(text):
    noisy, true = quoted(
        LESSON, "a perfect model scores # against the noisy labels, and about # against what people prefer"
    )
    assert numbers(r"   0.2 +([\d.]+) ", text)[0] == pytest.approx(noisy, abs=0.005)
    assert numbers(r"Bayes accuracy .* ([\d.]+)", text)[0] == pytest.approx(true, abs=0.006)
    (scale,) = quoted(LESSON, "The rewards shrink to # of their scale, and the accuracy hardly moves")
    low, high = numbers(r"flip rate 0.2: scale ([\d.]+) to ([\d.]+)", text)
    assert scale - 0.04 < low <= high < scale + 0.04
    before, after = quoted(LESSON, "The ECE falls from about # to below #")
    plain = numbers(r"plain network +ECE ([\d.]+)", text)[0]
    scaled = numbers(r"after division by .* ECE ([\d.]+)", text)[0]
    chance = numbers(r"on as many labels: about ([\d.]+)", text)[0]
    assert plain == pytest.approx(before, abs=0.05) and 1.3 * chance < scaled < after


def test_the_right_choices_are_those_of_the_run(text):
    from reward_lab.lessons.lesson03 import predict

    choices = {name: question for name, question in predict.questions.items() if question.choices}
    right = {name: question.choices[question.right - 1] for name, question in choices.items()}
    situations = ("linear model, 200 pairs, no slips", "linear model, 5,000 pairs, 20 % slips")
    tables = [compared(text, name) for name in (*situations, "network, 2,000 pairs, 20 % slips")]
    best = {min(table, key=lambda loss: table[loss]["excess"]) for table in tables}
    means = [[row["accuracy"] for row in table.values()] for table in tables]
    spread = [max(values) - min(values) for values in means]
    assert len(best) > 1 and spread[1] < 0.005 and spread[2] > 0.05
    assert right["which_loss"] == "it depends, and the accuracy changes with the network"
    halved = numbers(r"ties halved +([\d.]+) to ([\d.]+)", text)[1]
    assert halved < 0.8 and right["half_a_win"] == "the abilities shrink"
    same = re.findall(r"accuracy +before ([\d.]+), after ([\d.]+)", text)
    assert all(a == b for a, b in same) and right["temperature"] == "no"
