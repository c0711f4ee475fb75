"""Measures of held-out preferences against hand-worked numbers, brute force and scipy. A second in all."""

import itertools
import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch
from torch import nn

from reward_lab.statistics import evaluation as ev
from reward_lab.statistics import intervals


@pytest.mark.parametrize("b, c, expected", [(5, 1, 0.2188), (10, 2, 0.0386), (0, 0, 1.0), (3, 3, 1.0)])
def test_paired_test_by_hand(b, c, expected):
    a = [True] * b + [False] * c + [True] * 7 + [False] * 2
    other = [False] * b + [True] * c + [True] * 7 + [False] * 2
    assert ev.paired_test(a, other) == pytest.approx(expected, abs=5e-5)


def test_paired_test_is_scipys_binomial_test_also_beyond_1023_pairs():
    rng = np.random.default_rng(0)
    for n in (7, 60, 3000):
        a, b = rng.random(n) < 0.6, rng.random(n) < 0.5
        only = int((a & ~b).sum()), int((b & ~a).sum())
        expected = scipy.stats.binomtest(only[0], sum(only), 0.5).pvalue
        assert ev.paired_test(a, b) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ValueError, match="one length"):
        ev.paired_test([True], [True, False])


class Table(nn.Module):
    """Each token has a value; dropout shows whether a model is in training mode."""

    def __init__(self, values):
        super().__init__()
        self.values, self.drop = nn.Parameter(torch.tensor(values)), nn.Dropout(0.5)

    def forward(self, tokens):
        return self.drop(self.values[tokens].sum(1) + 1e4)


def test_counterfactual_effect_by_hand_in_either_mode_and_without_gradients():
    model = Table([0.0, 0.3, 0.1, 0.5]).double()
    texts, edited = torch.zeros(4, 1, dtype=torch.int64), torch.tensor([[1], [2], [3], [1]])
    for mode in (True, False):
        model.train(mode)
        mean, error = ev.counterfactual_effect(model, texts, edited)
        assert (mean, error) == pytest.approx((0.3, 0.0816), abs=5e-5)
        assert model.training == mode and model.values.grad is None
    with pytest.raises(ValueError, match="as many"):
        ev.counterfactual_effect(model, texts[:1], edited[:1])


def test_length_controlled_win_rate_by_hand_and_against_scipy():
    wins, longer = [1] * 24 + [0] * 6 + [1] * 4 + [0] * 6, [5.0] * 30 + [-5.0] * 10
    expected = 1 / (1 + math.exp(-(math.log(4) + math.log(2 / 3)) / 2))
    assert ev.length_controlled_win_rate(wins, longer) == pytest.approx(expected, abs=1e-9)
    rng = np.random.default_rng(1)
    d = rng.normal(1, 3, 400)
    won = rng.choice([0, 0.5, 1], 400, p=[0.3, 0.2, 0.5])
    x = np.tanh(d / d.std())

    def loss(w):
        z = w[0] + w[1] * x
        return np.logaddexp(0, z).sum() - (won * z).sum()

    best = scipy.optimize.minimize(loss, [0, 0], tol=1e-12).x
    assert ev.length_controlled_win_rate(won, d) == pytest.approx(scipy.special.expit(best[0]), abs=1e-5)
    # lopsided wins, where a whole Newton step overshoots
    assert 0.99 < ev.length_controlled_win_rate([1] * 998 + [0] * 2, [1, 2] * 500) < 1


@pytest.mark.parametrize(
    "wins, d", [([1, 0], [3, 3]), ([1, 1, 0], [1, 2, -1]), ([1, 2], [0, 1]), ([1], [1, 2])]
)
def test_length_controlled_win_rate_refuses_what_has_no_answer(wins, d):
    with pytest.raises(ValueError, match="length_controlled_win_rate"):
        ev.length_controlled_win_rate(wins, d)


def test_style_and_best_of_k_accuracy_by_hand():
    preferred = torch.tensor([[1, 2, 3], [0.5, 1, 1.5]])
    rejected = torch.tensor([[0, 1.5, 2], [1, 1, 2]])
    got = ev.style_accuracy(preferred, rejected)
    assert got == pytest.approx({"easy": 5 / 6, "normal": 0.5, "hard": 0})
    scores = torch.tensor([[2.0, 1, 1, 0], [1, 1, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]])
    assert ev.best_of_k_accuracy(scores) == 0.4375
    nan = torch.tensor([[2.0, math.nan], [math.nan, 1.0], [3.0, 1.0]])
    assert ev.best_of_k(nan).tolist() == [0, 0, 1]
    for bad in (torch.zeros(3), torch.zeros(0, 4)):
        with pytest.raises(ValueError, match="best_of_k"):
            ev.best_of_k(bad)


@pytest.mark.parametrize("degrees", [1, 2, 3, 8, 31, 199, 200, 5000])
def test_student_quantiles_are_scipys(degrees):
    got = intervals.student_quantile(0.975, degrees)
    assert got == pytest.approx(scipy.stats.t.ppf(0.975, degrees), rel=1e-4)


def test_clustered_se_is_the_plain_one_for_single_pairs_and_counts_prompts_for_copies():
    rng = np.random.default_rng(0)
    x = rng.random(50)
    plain = x.std(ddof=1) / math.sqrt(50)
    assert intervals.clustered_se(x, np.arange(50)) == pytest.approx(plain)
    # Eight copies of every value hold no more than one of each does.
    assert intervals.clustered_se(np.repeat(x, 8), np.repeat(np.arange(50), 8)) == pytest.approx(plain)
    with pytest.raises(ValueError, match="at least 2"):
        intervals.clustered_se(x, np.zeros(50))


def test_an_interval_of_single_pairs_is_wilsons_and_one_of_copies_is_no_shorter():
    right = np.arange(1000) < 830
    got = intervals.mean_interval(right, np.arange(1000))
    wilson = scipy.stats.binomtest(830, 1000).proportion_ci(method="wilson")
    assert got == pytest.approx((wilson.low, wilson.high), abs=2e-4)
    copies = intervals.mean_interval(np.repeat(right, 5), np.repeat(np.arange(1000), 5))
    assert copies == pytest.approx(got, abs=1e-4)
    low, high = intervals.mean_interval(np.ones(40), np.repeat(np.arange(10), 4))
    assert 0.6 < low < 0.75 and high == 1.0


def test_intervals_of_few_prompts_with_dependent_pairs_hold_the_truth_as_often_as_they_say():
    """25 prompts of 8 pairs, right with a probability of each prompt's own; 600 files. Ignoring prompts: 60 % or so."""
    rng = np.random.default_rng(0)
    clusters, inside, naive = np.repeat(np.arange(25), 8), 0, 0
    for _ in range(600):
        right = rng.random(200) < np.repeat(rng.beta(1.4, 0.6, 25), 8)  # mean 0.7
        low, high = intervals.mean_interval(right, clusters)
        inside += low <= 0.7 <= high
        low, high = intervals.mean_interval(right, np.arange(200))
        naive += low <= 0.7 <= high
    assert 0.92 < inside / 600 < 0.98 and naive / 600 < 0.8


def test_the_clustered_test_is_the_exact_one_by_all_signs():
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(9), 3)
    difference = rng.integers(-1, 2, 27).astype(float) + (rng.random(27) < 0.2)
    sums = np.bincount(clusters, difference)
    signs = np.array(list(itertools.product([-1, 1], repeat=9)))
    exact = (np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9).mean()
    assert intervals.clustered_test(difference, clusters, 40_000) == pytest.approx(exact, abs=0.012)
    a, b = rng.random(60) < 0.8, rng.random(60) < 0.6
    single = intervals.clustered_test(a.astype(float) - b, np.arange(60), 40_000)
    assert single == pytest.approx(ev.paired_test(a, b), abs=0.012)
    assert intervals.clustered_test(np.zeros(5), np.arange(5)) == 1.0
