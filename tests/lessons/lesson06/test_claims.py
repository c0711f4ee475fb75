"""Lesson 6 shows what its text claims."""

import re

import pytest

from reward_lab import rlhf
from reward_lab.lessons.lesson06 import experiments, predict

from ..running import quoted, written

pytestmark = pytest.mark.slow
LESSON = "06_policy_gradients_ppo"


def numbers(pattern: str, text: str) -> list[float]:
    """Every number that a pattern's group matches."""
    found = [float(match.replace(",", "")) for match in re.findall(pattern, text)]
    assert found, pattern
    return found


def number(pattern: str, text: str) -> float:
    return numbers(pattern, text)[0]


def test_the_world_is_as_section_1_says(text):
    assert "262,144 answers, whose probabilities sum to 1.000000" in text
    assert -1.8 < number(r"gold reward of the reference policy: ([-\d.]+)", text) < -1.5  # "well below zero"
    probability = number(r"5\.0 +([\d.]+)  please restart first then update thanks", text)
    assert 1 / 150_000 < probability < 1 / 70_000  # "about once in 100,000 calls"


def test_the_reward_model_needs_places_and_stays_below_its_limit(text):
    _, bag = re.search(r"bag of words +([\d.]+) +([\d.]+)", text).groups()
    _, places = re.search(r"with their places +([\d.]+) +([\d.]+)", text).groups()
    best = number(r"the best possible +- +([\d.]+)", text)
    assert float(bag) + 0.015 < float(places) < best < float(places) + 0.06


def test_the_exact_optimum_is_as_section_3_says(text):
    row = re.search(r"best policy +([-\d.]+) +([-\d.]+) +([-\d.]+) +([-\d.]+)", text).groups()
    value, _, kl, gold = map(float, row)
    assert value == number(r"J\* = beta log Z = ([\d.]+)", text)
    assert 2.3 < kl < 2.5 and 1.6 < gold < 1.8
    assert number(r"spread over ([\d,]+) answers", text) > 2000  # "thousands"
    assert number(r"best-scored answer once in ([\d,]+) calls", text) > 1000  # "seldom"


def test_a_baseline_takes_the_noise_away(text):
    plain = numbers(r"no baseline +: variance +([\d.]+)", text)
    helped = numbers(r"baseline: mean of the others: variance +([\d.]+)", text)
    assert max(helped) < 1.05 * min(helped) and plain == sorted(plain) and plain[-1] > 30 * helped[-1]
    assert 0.8 < plain[0] / helped[0] < 1.2  # at 0 it saves nothing
    cosines = numbers(r"no baseline +: variance .*gradient ([\d.]+)", text)
    assert cosines[0] > 0.9 and cosines[-1] < 0.4


def test_what_the_runs_reach_and_how_many_texts_they_need(text):
    ends = {
        name: tuple(map(float, found))
        for name, *found in re.findall(r"(\w[\w +,]+?) +ends at ([\d.]+) to ([\d.]+) of the way", text)
    }
    least, most = ends["REINFORCE, no baseline, rewards + 5"]
    assert least > 0.8 and most < 0.93
    assert ends["REINFORCE with baseline"][0] > 0.97
    assert ends["PPO"][0] >= 0.98  # the promise is 0.95, for each of five seeds
    needed = {name: list(map(int, found.split(", "))) for name, found in re.findall(
        r"(REINFORCE with baseline|PPO) +ends at .*texts to 0.95: \[([\d, ]+)\]", text)}  # fmt: skip
    assert len(needed["PPO"]) == 5 and 2 * max(needed["PPO"]) <= min(needed["REINFORCE with baseline"])
    assert re.search(r"no baseline, rewards \+ 5 +ends.*\[None, None, None, None, None\]", text)
    golds, best = (
        numbers(r"PPO, seed \d: .*gold ([\d.]+)", text),
        number(r"of the best policy ([\d.]+)", text),
    )
    assert len(golds) == 5 and all(abs(gold - best) < 0.15 for gold in golds)


def test_no_kl_estimator_is_best_everywhere(text):
    rows = re.findall(r"^ +(5\.0|2\.0|0\.5) +[\d.]+((?: +-?[\d.]+){6}) +\d+%", text, re.MULTILINE)
    table = {float(beta): list(map(float, values.split())) for beta, values in rows}
    near, far = table[5.0], table[0.5]
    assert all(
        abs(row[which]) < 0.005 for row in table.values() for which in (0, 2)
    )  # k1 and k3 have the right mean
    assert near[3] > 5 * near[5] and abs(near[1]) < 0.05
    assert far[1] > 0.5 and 12 < far[5] < 18 and far[3] < 0.8


def test_clipping_makes_many_passes_safe(text):
    row = r"clip {}, seed \d: J after each batch ([-\d. ]+)"
    last = {
        kind: [float(values.split()[-1]) for values in re.findall(row.format(kind), text)]
        for kind in ("0.2", "inf")
    }
    assert len(last["0.2"]) == len(last["inf"]) == 3
    assert min(last["0.2"]) > 1.8 and max(last["inf"]) < -2
    different = numbers(r"among 1,000 answers of the last policy (\d+) are different", text)
    assert min(different[:3]) > 500 and max(different[3:]) <= 20


def test_the_colleagues_reward_is_higher_and_everything_else_worse(text):
    yours, hers = re.search(r"learnt reward: yours ([\d.]+), your colleague's ([\d.]+)", text).groups()
    assert float(hers) > float(yours) + 1
    kl, value, gold = re.search(
        r"her KL ([\d.]+) nats, her J ([-\d.]+), her gold reward ([-\d.]+)", text
    ).groups()
    assert float(kl) > 12 and float(value) < -2 and float(gold) < 0.5


def test_what_the_policy_writes_and_where_the_rewards_part(text):
    rows = r"^(hedges|says sorry|update after|three or more).* ([\d.]+) +([\d.]+)\s*$"
    share = {
        name: (float(before), float(after)) for name, before, after in re.findall(rows, text, re.MULTILINE)
    }
    assert share["hedges"][1] < 0.5 * share["hedges"][0] and share["update after"][1] > 0.85
    assert share["three or more"][1] > 3 * share["three or more"][0]
    before, after = re.search(r"written: before ([\d.]+), after ([\d.]+)", text).groups()
    assert float(before) > 0.85 and float(after) < 0.7
    start, peak, end = map(
        float,
        re.search(r"gold reward: ([-\d.]+) at beta 100, highest ([-\d.]+) .* end ([-\d.]+)", text).groups(),
    )
    assert end < start < 0 < peak and 1.9 < peak < 2.3


def test_a_second_reward_model_on_other_pairs_never_sees_the_turn_as_question_3_says():
    """8 s: two reward models, and the exact optima of the first. Along them the second's score rises like the first's."""
    world = rlhf.help_desk()
    log_reference, gold = world.reference_log_probs(), world.gold(world.sequences())
    (rewards, _), (second, _) = (experiments.fit_reward_model(world, seed) for seed in (0, 1))
    path = [
        rlhf.kl_optimal_policy(rewards, log_reference.exp(), beta).log()
        for beta in (100.0, 1.0, 0.3, 0.1, 0.02)
    ]
    told, true = ([rlhf.expectation(log_probs, score) for log_probs in path] for score in (second, gold))
    assert max(true) > 1.5 and true[-1] < true[0] + 1  # the turn
    assert told[-1] > max(told[:-1]) - 0.3 and told[-1] > told[0] + 2  # and nothing of it in the second score
    assert "is no such sign, and gets no credit" in written(LESSON)


def test_the_numbers_that_the_text_quotes_are_those_of_the_run(text):
    (within,) = quoted(LESSON, "the model comes within # of what is possible")
    places = float(re.search(r"with their places +[\d.]+ +([\d.]+)", text).group(1))
    assert 0.5 * within < number(r"the best possible +- +([\d.]+)", text) - places < within
    nats, low, high = quoted(
        LESSON, "It moved about # nats, and the gold reward went up with the learnt one, from # to #"
    )
    kl, gold = re.search(r"best policy +[\d.]+ +[\d.]+ +([\d.]+) +([\d.]+)", text).groups()
    assert float(kl) == pytest.approx(nats, abs=0.1) and float(gold) == pytest.approx(high, abs=0.15)
    assert number(r"gold reward of the reference policy: ([-\d.]+)", text) == pytest.approx(low, abs=0.1)
    without, least = quoted(LESSON, "the difference between about # and more than # of the way")
    ways = [float(x) / 100 for x in re.findall(r"no baseline, seed \d: .* ([\d.]+)% of the way", text)]
    assert sum(ways) / len(ways) == pytest.approx(without, abs=0.03)
    assert min(float(x) / 100 for x in re.findall(r"with baseline, seed \d: .* ([\d.]+)% of", text)) > least
    (times,) = quoted(LESSON, "its standard deviation is about # times the KL itself")
    spread = re.search(r"(?m)^ 0\.5 +[\d.]+(?: +-?[\d.]+){5} +([\d.]+) +\d+%", text).group(1)
    assert float(spread) == pytest.approx(times, abs=3)
    assert times > 10


def test_the_right_choices_are_those_of_the_run(text):
    right = {name: question.right for name, question in predict.questions.items() if question.choices}
    assert number(r"best-scored answer once in ([\d,]+) calls", text) > 1000 and right["best_policy"] == 3
    assert re.search(r"lambda 0\.00: 0\.000 .* 1\.000\nlambda", text) and right["credit"] == 2
    assert max(numbers(r"clip inf, seed \d: .* (-?[\d.]+)\n", text)) < -2 and right["stale"] == 2
    assert number(r"her KL ([\d.]+) nats", text) > 12 and right["other_curve"] == 2
    start, peak, end = map(
        float,
        re.search(r"gold reward: ([-\d.]+) at beta 100, highest ([-\d.]+) .* end ([-\d.]+)", text).groups(),
    )
    assert peak > start + 1 and end < peak - 1 and right["gold"] == 3
