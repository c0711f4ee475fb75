"""The experiments of lesson 7 against counting. (2 s in all)"""

import itertools

import pytest
import torch
from scipy.stats import norm

from reward_lab import rlhf
from reward_lab.lessons.lesson07 import experiments


@pytest.fixture(scope="module")
def known():
    """Three words, three places; gold has ties."""
    draw = torch.Generator().manual_seed(0)
    transitions = torch.randn(4, 3, generator=draw, dtype=torch.float64).log_softmax(dim=1)
    world = rlhf.World(("a", "b", "c"), 3, transitions, lambda ids: (ids.double().sum(dim=-1) - 3) / 2)
    return rlhf.Known.of(world)


def test_the_win_probability_and_the_best_accuracy_are_sums_over_all_pairs(known):
    best = rlhf.best_of_n(known.reference, known.gold, 5)
    pairs = list(itertools.product(range(known.world.size), repeat=2))
    p = torch.sigmoid(known.gold[:, None] - known.gold)
    wins = sum((best[i] * known.reference[j] * p[i, j]).item() for i, j in pairs)
    limit = sum(
        (known.reference[i] * known.reference[j] * max(p[i, j], 1 - p[i, j])).item() for i, j in pairs
    )
    assert rlhf.win_probability(known, best, known.reference) == pytest.approx(wins, abs=1e-12)
    assert rlhf.best_accuracy(known) == pytest.approx(limit, abs=1e-12)
    assert rlhf.win_probability(known, best, best) == pytest.approx(0.5, abs=1e-12)


def test_fresh_comparisons_are_won_with_that_probability(known):
    best = rlhf.best_of_n(known.reference, known.gold, 5)
    p, count = rlhf.win_probability(known, best, known.reference), 20_000
    won = experiments.fresh_comparisons(known, best, known.reference, count, 0)
    assert abs(won / count - p) < 6 * (p * (1 - p) / count) ** 0.5


@pytest.mark.parametrize("p", [0.6, 0.7])
def test_so_many_comparisons_have_a_power_of_80_per_cent(p):
    n = experiments.comparisons_needed(p)
    power = norm.cdf((n * (p - 0.5) - 1.6449 * (n / 4) ** 0.5) / (n * p * (1 - p)) ** 0.5)
    assert 0.8 <= power < 0.82


def test_judged_pairs_prefer_better_texts_and_come_from_both_sides(known):
    best = torch.zeros(known.world.size, dtype=torch.float64)
    best[-1] = 1.0
    preferred, rejected = experiments.judged_pairs(known, best, 4000, 1)
    won = (preferred == 2).all(dim=1)
    assert ((rejected == 2).all(dim=1) | won).all()
    want = rlhf.win_probability(known, best, known.reference)
    ties = known.reference[-1].item()  # pairs of the same text count as won here
    assert won.double().mean().item() == pytest.approx(want + ties / 2, abs=0.04)


def test_the_optimum_at_a_kl_is_there(known):
    found = experiments.optimum_at(known, known.gold, 0.7)
    assert found.kl[0] == pytest.approx(0.7, abs=1e-4)
    curve = experiments.optimum_curve(known, known.gold, 8)
    assert curve.kl == sorted(curve.kl) and curve.learnt == curve.gold


def test_an_unsolved_exercise_blocks_nothing_and_a_wrong_one_says_so(capsys):
    def unsolved():
        raise NotImplementedError

    assert experiments.attempt(unsolved, "yours") is None
    assert experiments.attempt(lambda: 1 / 0, "yours") is None
    assert experiments.attempt(lambda: 3, "yours") == 3
    out = capsys.readouterr().out
    assert "yours: not yet" in out and "ZeroDivisionError" in out
