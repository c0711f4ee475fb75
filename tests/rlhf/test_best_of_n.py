"""Best-of-n, over-optimisation's forms and ensembles against brute force: every group is written out. (3 s in all)"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares, minimize_scalar
from scipy.special import comb

from reward_lab import rlhf


def by_writing_out(reference, score, n):
    """Best-of-n by all n-tuples of draws; among equal highest scores the first drawn is kept."""
    result = [0.0] * len(reference)
    for draws in itertools.product(range(len(reference)), repeat=n):
        best = max(draws, key=lambda i: score[i])  # the first of equal ones
        result[best] += math.prod(reference[i] for i in draws)
    return result


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_best_of_n_is_what_all_tuples_of_draws_come_to(n):
    draw = torch.Generator().manual_seed(n)
    reference = torch.rand(5, generator=draw, dtype=torch.float64)
    reference[1] = 0.0
    reference /= reference.sum()
    for score in (torch.randn(5, generator=draw), torch.tensor([1.0, 2.0, 1.0, 2.0, 0.0]), torch.zeros(5)):
        found = rlhf.best_of_n(reference, score, n)
        assert found.dtype == torch.float64
        assert found.tolist() == pytest.approx(
            by_writing_out(reference.tolist(), score.tolist(), n), abs=1e-14
        )


@pytest.mark.parametrize("n", [1, 7, 1000, 2**20])
def test_every_probability_is_right_to_ten_digits_also_the_small_ones(n):
    """Against whole-number fractions; probabilities down to 1e-18, on both ends."""
    weights = [
        Fraction(1, 10**18),
        Fraction(1, 3),
        Fraction(1, 10**9),
        Fraction(2, 10**18),
        Fraction(5, 10**7),
    ]
    weights.append(1 - sum(weights))
    score = torch.tensor([5.0, 1.0, 4.0, 3.0, 3.0, 0.5])
    found = rlhf.best_of_n(torch.tensor([float(w) for w in weights], dtype=torch.float64), score, n).tolist()
    for i, level in enumerate(score.tolist()):
        higher = sum(w for w, s in zip(weights, score.tolist(), strict=True) if s > level)
        mass = sum(w for w, s in zip(weights, score.tolist(), strict=True) if s == level)
        exact = _power(1 - higher, n) - _power(1 - higher - mass, n)
        assert found[i] == pytest.approx(float(exact * weights[i] / mass), rel=1e-8, abs=1e-300)


def _power(base: Fraction, n: int) -> Fraction:
    """base^n to 200 digits: the whole fraction of a million factors would not end."""
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 200
        return Fraction((Decimal(base.numerator) / Decimal(base.denominator)) ** n)


def test_a_path_is_the_distributions_one_by_one_and_all_sum_to_one():
    draw = torch.Generator().manual_seed(3)
    reference = torch.softmax(4 * torch.randn(300, generator=draw, dtype=torch.float64), 0)
    score = torch.randint(0, 40, (300,), generator=draw).float()
    ns = [1, 2, 50, 2**20]
    for n, found in zip(ns, rlhf.best_of_n_path(reference, score, ns), strict=True):
        assert torch.equal(found, rlhf.best_of_n(reference, score, n))
        assert found.sum().item() == pytest.approx(1, abs=1e-9)
    assert torch.allclose(rlhf.best_of_n(reference, score, 1), reference, rtol=1e-12)


def test_the_bound_on_the_kl_holds_and_is_reached_by_rare_texts_without_ties():
    rare = torch.full((100_000,), 1e-5, dtype=torch.float64)
    for n in (2, 4, 64):
        kl = rlhf.kl_divergence(rlhf.best_of_n(rare, torch.arange(100_000.0), n).log(), rare.log())
        tied = rlhf.best_of_n(rare, torch.arange(100_000.0) // 30_000, n)
        assert kl <= rlhf.best_of_n_kl_bound(n) and kl == pytest.approx(rlhf.best_of_n_kl_bound(n), abs=1e-3)
        assert rlhf.kl_divergence(tied.log(), rare.log()) < kl - 1e-3
    world = rlhf.help_desk()  # ranked by gold, with its 30 levels
    log_reference, gold = world.reference_log_probs(), world.gold(world.sequences())
    for n, exact, bound in ((64, 3.1358, 3.1745), (2**20, 11.641, 12.863)):
        best = rlhf.best_of_n(log_reference.exp(), gold, n)
        assert rlhf.kl_divergence(best.log(), log_reference) == pytest.approx(exact, abs=1e-3)
        assert rlhf.best_of_n_kl_bound(n) == pytest.approx(bound, abs=1e-3)


@pytest.mark.parametrize("n", [1, 2, 4, 9])
def test_the_estimate_is_the_mean_over_all_groups(n):
    draw = torch.Generator().manual_seed(n)
    score, gold = torch.randperm(9, generator=draw).float(), torch.randn(9, generator=draw)
    groups = list(itertools.combinations(range(9), n))
    mean = sum(gold[max(group, key=lambda i: score[i].item())].item() for group in groups) / len(groups)
    assert rlhf.best_of_n_estimate(score, gold, n) == pytest.approx(mean, abs=1e-6)


def test_the_weights_of_thousands_of_texts_are_those_of_exact_binomials():
    from reward_lab.rlhf.best_of_n import _best_of_subset_weights

    found = _best_of_subset_weights(2000, 900)
    total = comb(2000, 900, exact=True)
    for i in (900, 1000, 1999, 2000):
        exact = float(Fraction(comb(i - 1, 899, exact=True), total))
        assert found[i - 1].item() == pytest.approx(exact, rel=1e-9)
    assert found[:899].sum() == 0 and found.sum().item() == pytest.approx(1, abs=1e-9)


def test_the_estimate_is_unbiased():
    """Over all samples of 4 texts of a language of 3, weighted by their probabilities, it is exact best-of-2."""
    reference = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    score, gold = torch.tensor([0.0, 2.0, 1.0]), torch.tensor([1.0, -1.0, 5.0], dtype=torch.float64)
    mean = 0.0
    for draws in itertools.product(range(3), repeat=4):
        rows = torch.tensor(draws)
        mean += reference[rows].prod().item() * rlhf.best_of_n_estimate(score[rows], gold[rows], 2)
    assert mean == pytest.approx((rlhf.best_of_n(reference, score, 2) * gold).sum().item(), abs=1e-12)


@pytest.mark.parametrize("form", ["bon", "rl"])
def test_the_fit_and_its_top_are_what_scipy_finds(form):
    rng = np.random.default_rng(0)
    kl = np.append(rng.uniform(0.1, 12, 20), 0.0)
    d = np.sqrt(kl[:-1])

    def curve(x, at):
        return at * (x[0] - x[1] * (at if form == "bon" else np.log(at)))

    gain = np.append(curve((1.9, 0.6), d) + rng.normal(0, 0.1, 20), 0.0)
    alpha, beta, top = rlhf.fit_overoptimization(torch.tensor(kl), torch.tensor(gain), form)
    found = least_squares(lambda x: curve(x, d) - gain[:-1], (1.0, 1.0), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    assert (alpha, beta) == pytest.approx(tuple(found.x), rel=1e-5)
    highest = minimize_scalar(
        lambda at: -curve((alpha, beta), at), bounds=(1e-3, 20), method="bounded", options={"xatol": 1e-9}
    )
    assert top == pytest.approx(highest.x**2, rel=1e-4)
    fitted = rlhf.fitted_gain(torch.tensor(kl), alpha, beta, form)
    assert fitted[:-1].numpy() == pytest.approx(curve((alpha, beta), d)) and fitted[-1] == 0
    assert rlhf.explained(torch.tensor(gain), fitted) == pytest.approx(
        1 - ((gain - fitted.numpy()) ** 2).sum() / ((gain - gain.mean()) ** 2).sum()
    )


def test_a_curve_that_never_turns_or_only_falls():
    kl = torch.tensor([0.0, 1.0, 4.0, 9.0])
    d = kl.sqrt()
    assert rlhf.fit_overoptimization(kl, d + d * d, "bon")[2] == math.inf
    assert rlhf.fit_overoptimization(kl, -d - d * d, "bon")[2] == 0
    worked = rlhf.fitted_gain(torch.tensor([4.0]), 2.0, 0.5, "bon")
    assert worked.item() == pytest.approx(2.0)  # the lesson's: top at KL 4, gain 2


@pytest.mark.parametrize("mode", ["mean", "min", "uwo"])
def test_a_cautious_reward_is_numpys_and_knows_no_zero(mode):
    rng = np.random.default_rng(1)
    scores, p = rng.normal(size=(5, 40)), rng.dirichlet(np.ones(40))
    centred = scores - np.average(scores, axis=1, weights=p)[:, None]
    want = {"mean": centred.mean(0), "min": centred.min(0), "uwo": centred.mean(0) - 0.7 * centred.var(0)}[
        mode
    ]
    shifts = rng.normal(size=(5, 1)) * 100
    for given in (scores, scores + shifts):
        found = rlhf.conservative_reward(torch.tensor(given), torch.tensor(p), mode, 0.7)
        assert found.numpy() == pytest.approx(want, abs=1e-10)


def test_choose_n_takes_the_highest_share_and_of_equals_the_smallest():
    for order in itertools.permutations(range(4)):
        rows = [[(8, 5.0, 10), (64, 10.0, 20), (2, 0.0, 0), (512, 3.0, 10)][i] for i in order]
        assert rlhf.choose_n(*(list(column) for column in zip(*rows, strict=True))) == 8


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: rlhf.best_of_n(torch.ones(2), torch.ones(3), 2), "at least one text"),
        (lambda: rlhf.best_of_n(torch.ones(1), torch.ones(1), 0), "n must be at least 1"),
        (lambda: rlhf.best_of_n_estimate(torch.ones(3), torch.ones(3), 4), "n must be from 1 to 3"),
        (lambda: rlhf.best_of_n_estimate(torch.ones(3), torch.ones(2), 1), r"\(N,\)"),
        (lambda: rlhf.fit_overoptimization(torch.ones(3), torch.ones(3), "bon"), "two different KL"),
        (lambda: rlhf.fit_overoptimization(torch.ones(3), torch.ones(3), "ppo"), "a form of"),
        (lambda: rlhf.fit_overoptimization(-torch.ones(3), torch.ones(3), "rl"), "never negative"),
        (lambda: rlhf.conservative_reward(torch.ones(2, 3), torch.ones(2), "min", 0.0), "a mode of"),
        (lambda: rlhf.choose_n([1], [0], [0]), "at least one comparison"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
