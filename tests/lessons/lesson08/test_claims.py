"""Lesson 8 shows what its text claims. (The run of the lesson is shared with test_lessons; reading it costs nothing.)"""

import dataclasses
import re
from functools import partial

import pytest

from reward_lab import rlhf
from reward_lab.lessons.lesson08 import experiments, predict

from ..running import numbers_after, quoted, written

pytestmark = pytest.mark.slow
LESSON = "08_dpo"
SEEDS = 5


def page(text: str, name: str) -> dict[str, float]:
    """A row of section 10's table."""
    names = ("learnt", "gained", "gold", "kl", "value", "lowest", "highest", "written", "per_answer")
    (row,) = (
        line for line in text.splitlines() if line.startswith(f"{name:15s}  ") and "training" not in line
    )
    return dict(zip(names, numbers_after(name, row), strict=True))


WAYS = ("best of 32", "PPO", "DPO, 3 epochs", "DPO, 10 epochs")


def test_the_limits_are_those_of_the_text(text):
    assert numbers_after("the reference:", text) == [-1.682, 0, -1.682]
    assert numbers_after("the best policy:  ", text)[:2] == [2.920, 3.493]
    assert "J* 1.173" in text
    (quote,) = quoted(LESSON, "the best policy is # nats from the reference")
    assert quote == pytest.approx(3.493, abs=5e-3)
    (off,) = re.findall(r"from the best policy alone: at most (\S+) off", text)
    assert float(off) < 1e-12


def test_population_dpo_arrives(text):
    table = re.findall(r"^ *(\d+) steps: ([\d.]+) of the way to J\*, ([\d.]+) nats", text, re.MULTILINE)
    shares = {int(count): float(share) for count, share, _ in table}
    assert shares[10] == pytest.approx(0.60, abs=0.01) and shares[30] == pytest.approx(0.94, abs=0.01)
    assert 0.999 < shares[100] < 1 and float(table[-1][2]) < 0.003


def test_the_readers_step_draws_the_packages_curve(text):
    (off,) = re.findall(r"^your dpo_step: at most ([\d.]+) from", text, re.MULTILINE)
    assert float(off) < 0.01
    judgements, J, share = numbers_after(
        "after ", re.search(r"^after 51,200.*$", text, re.MULTILINE).group()
    )[:3]
    assert judgements == 51_200 and 0.2 < J < 0.6 and 0.65 < share < 0.8  # "well short of J*"


def test_the_pairs_decide(text):
    rows = {
        name: numbers_after(f"{name:28s}   ", text)
        for name in (*experiments.SOURCES, "PPO, told the gold reward")
    }
    own, reference, uniform, ppo = (row[:3] for row in rows.values())
    assert own[0] == pytest.approx(0.95, abs=0.01) and own[1] > 0.94  # "within 0.05 of the way"
    assert reference[0] == pytest.approx(0.72, abs=0.02) and uniform[0] == pytest.approx(0.73, abs=0.02)
    assert max(reference[2], uniform[2]) < own[1] - 0.15 and ppo[1] > own[2]
    assert quoted(LESSON, "DPO comes within # of the way") == [0.05]
    ours, bests = numbers_after("answers that become likelier:", text)
    assert (ours, bests) == (0.067, 0.942)
    assert quoted(LESSON, "So # of 100 texts in such pairs") == [93] == [round(100 * (1 - ours))]
    assert quoted(LESSON, "It has to be so: # % of what") == [93]


def test_held_out_accuracy_rises_while_j_falls(text):
    rows = {part: numbers_after(f"{part:21s}", text) for part in ("loss", "accuracy", "value", "kl", "gold")}
    assert rows["loss"] == sorted(rows["loss"], reverse=True)
    assert rows["accuracy"] == sorted(rows["accuracy"]) and rows["accuracy"][-1] < 0.8128
    assert rows["value"][3] < rows["value"][1] - 0.15 and rows["kl"] == sorted(rows["kl"])
    best_loss, best_accuracy = numbers_after("the gold reward itself: loss", text)
    assert best_accuracy == 0.813 and 0 < best_loss - rows["loss"][-1] < 0.02  # "just below what is possible"
    peaks = numbers_after("J is highest after epoch", text)
    assert len(peaks) == SEEDS and set(peaks) <= {2, 3, 4, 5}  # "five of five"; "two to five epochs"


def test_both_log_ratios_fall_at_the_best_policy(text):
    best = numbers_after("the best policy: preferred", text)
    assert best == [-3.98, -7.44]
    preferred, rejected = (
        numbers_after(f"after 10 epochs, {side:9s}:", text)[0] for side in ("preferred", "rejected")
    )
    assert best[0] < preferred < -2.5 and best[1] < rejected < preferred  # "both are lower still"
    one, two = (numbers_after(f"the best policy at beta {beta}:", text) for beta in (1, 2))
    assert best[0] < one[0] < two[0] < 0 and one == [-0.84, -2.58] and two == [-0.01, -0.88]


def test_ipo_hardly_moves_at_the_same_price(text):
    exact, gold, *trained = numbers_after("0.50 ", re.sub(r"\n(?= 0\.11)", "", text))
    assert (
        exact == 0.11
        and gold == -0.81
        and all(abs(kl - exact) < 0.02 for kl in trained)
        and len(trained) == 5
    )
    exact, _, *trained = numbers_after("0.10 ", text)
    assert exact == 1.31 and all(0.2 < kl - exact < 0.8 for kl in trained)
    assert abs(sum(trained) / 5 - exact - 0.5) < 0.15  # "half a nat further"
    exact, gold = numbers_after("0.02 ", text)
    assert abs(exact - 3.49) < 0.1 and abs(gold - 2.92) < 0.1  # "a tau of about 0.02"


def test_the_bug_shows_in_the_kl_alone(text):
    lowest, highest, ours, better = (
        float(x) for x in re.search(
            r"held-out accuracy, five seeds: ([\d.]+) to ([\d.]+) \(ours, section 7: ([\d.]+) to ([\d.]+)\)", text
        ).groups()
    )  # fmt: skip
    assert lowest > 0.75 and ours - lowest < 0.02 and better - highest < 0.02
    hers, mended = (
        numbers_after(f"{name}: after 10 epochs KL", text) for name in ("hers           ", "sum over tokens")
    )
    assert min(hers[:5]) > 10 and max(hers[5:]) < -1.682 and max(mended[:5]) < 4 and min(mended[5:]) > -0.5
    (price,) = numbers_after("the best policy at a price of 0.5 / 6: KL", text)
    assert abs(price - sum(hers[:5]) / 5) < 2
    kl, J, section_7 = numbers_after("with your mended_loss: KL", text)[:2] + [
        numbers_after("(section 7:", text)[0]
    ]
    assert abs(J - section_7) < 0.02 and kl < 4


def test_one_page_tells_what_the_run_shows(text):
    rows = {name: page(text, name) for name in WAYS}
    best, ppo, short, long = rows.values()
    assert min(best["lowest"], ppo["lowest"]) > max(short["highest"], long["highest"]) + 0.2  # "five of five"
    assert abs(best["value"] - ppo["value"]) < 0.06 and abs(best["kl"] - ppo["kl"]) < 0.3
    assert ppo["written"] == 20_480 and best["per_answer"] == 32
    assert short["written"] == long["written"] == best["written"] == 0
    assert short["gold"] < ppo["gold"] - 0.4 and short["kl"] < ppo["kl"]  # "has not gone far enough"
    assert long["kl"] > ppo["kl"] + 0.8 and abs(long["gold"] - ppo["gold"]) < 0.1  # "for no more gold"
    assert best["gained"] > best["learnt"] and ppo["gained"] > ppo["learnt"]
    assert long["learnt"] > long["gained"] + 0.4
    for name in WAYS:
        assert numbers_after(f"{name:15s} training took", text)


def test_trl_lands_at_the_same_place(text):
    if "It is skipped." in text:
        pytest.skip("TRL is not installed")
    trls, ours = (
        numbers_after(f"{who}:", re.search(rf"^{who}:.*$", text, re.MULTILINE).group())
        for who in ("TRL", "ours")
    )
    assert trls == pytest.approx(ours, abs=2e-3)
    assert "margin" in text.split("TRL's log at the end")[1]


def test_other_settings_of_dpo_stay_below_the_reward_models_ways(text):
    """One seed of what `python -m tests.bench dpo` prints for five: 2 s."""
    known = rlhf.Known.of(rlhf.help_desk())
    step = partial(rlhf.preference_step, partial(rlhf.dpo_loss, smoothing=0.1))
    _, smoothed = experiments.small_run(known, 0, step=step)
    pairs = rlhf.fixed_pairs(experiments.preferences(known.world, 0), experiments.SMALL_BATCH, 0)
    config = experiments.small_config(0, experiments.EPOCHS, beta=1.0)
    _, dearer = rlhf.train_dpo(known.world, pairs, dataclasses.replace(config, measure_every=200))
    ends = smoothed.value[-1], dearer.gold[-1] - experiments.BETA * dearer.kl[-1]
    assert all(0.2 < J < 0.4 for J in ends)  # "about 0.3"
    assert max(ends) < min(page(text, name)["lowest"] for name in WAYS[:2]) - 0.1
    assert "J reaches about 0.3 and no longer falls" in written(LESSON)


def test_the_right_choices_are_what_the_run_shows(text):
    """Each is held by a test above: where it ends, the pairs, the epochs, the ratios, the bug, the page."""
    rights = {name: question.right for name, question in predict.questions.items() if question.choices}
    assert rights == {"exact": 2, "pairs": 1, "epochs": 3, "ratios": 3, "wrong": 2, "lowest": 3}
    assert "it is:      0.11\n" in text
