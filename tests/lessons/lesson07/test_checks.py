"""The checks of lesson 7 accept every legitimate way to write an answer, and name the usual mistakes."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.special import gammaln

from reward_lab import rlhf
from reward_lab.lessons.lesson07 import checks as lesson07
from reward_lab.lessons.lesson07.checks.choice import CHOICE_MISTAKES
from reward_lab.lessons.lesson07.checks.conservative import REWARD_MISTAKES
from reward_lab.lessons.lesson07.checks.distribution import BEST_MISTAKES
from reward_lab.lessons.lesson07.checks.estimate import ESTIMATE_MISTAKES
from reward_lab.lessons.lesson07.checks.forms import FORM_MISTAKES
from tests.lessons.answers import known, reports_of

report_on = reports_of(lesson07)


# Legitimate answers


def best_level_by_level(reference, score, n):
    """Python floats, one distinct score after the other from the top."""
    p, s = reference.tolist(), score.tolist()
    result, higher = [0.0] * len(p), 0.0
    for level in sorted(set(s), reverse=True):
        there = [i for i, x in enumerate(s) if x == level]
        mass = math.fsum(p[i] for i in there)
        if mass > 0:
            at_most = max(1.0 - higher, mass)
            below = min(mass / at_most, 1.0)
            log_below = math.log1p(-below) if below < 1 else -math.inf
            step = at_most**n * -math.expm1(n * log_below)
            for i in there:
                result[i] = step * p[i] / mass
        higher += mass
    return torch.tensor(result, dtype=torch.float64, device=score.device)


def best_with_two_survivals(reference, score, n):
    """G^n subtracted from F^n where both are far from 1, and as a difference of complements next to 1."""
    p = reference.double()
    above = ((score[None, :] > score[:, None]).double() * p).sum(dim=1)
    same = ((score[None, :] == score[:, None]).double() * p).sum(dim=1)

    def complement(tail):  # 1 - (1 - tail)^n
        return -torch.expm1(n * torch.log1p(-tail.clamp(max=1.0)))

    step = complement(above + same) - complement(above)
    return torch.where(p > 0, step * p / same.clamp(min=1e-300), 0.0)


def best_with_numpy(reference, score, n):
    p, s = reference.cpu().numpy(), score.cpu().numpy()
    levels, level = np.unique(s, return_inverse=True)
    mass = np.bincount(level, weights=p, minlength=len(levels))
    above = np.append(np.cumsum(mass[::-1])[::-1][1:], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_f = np.log1p(-np.minimum(above, 1.0))
        log_g = np.log1p(-np.minimum(above + mass, 1.0))
        # G / F through its logarithm loses nothing where both are next to 0.
        step = np.exp(n * log_f) * -np.expm1(n * (log_g - log_f))
        share = np.where(mass > 0, step / mass, 0.0)
    return torch.from_numpy(p * np.nan_to_num(share)[level]).to(score.device)


def best_sorted(reference, score, n):
    """Sorted from the highest score, ties as runs of equal numbers, put back with the inverse order."""
    order = score.argsort(descending=True, stable=True)
    p, s = reference[order].double(), score[order]
    result, start, higher = torch.zeros_like(p), 0, 0.0
    while start < len(p):
        end = start + int((s[start:] == s[start]).sum())
        mass = p[start:end].sum().item()
        left = 1 - math.exp(n * math.log1p(-min(higher, 1 - 1e-16))) if n * higher > 1e-3 else n * higher
        upper = min(higher + mass, 1.0)
        both = -math.expm1(n * math.log1p(-upper)) if upper < 1 else 1.0
        step = both - left if n * higher > 1e-3 else both + math.expm1(n * math.log1p(-higher))
        if mass > 0:
            result[start:end] = p[start:end] / mass * step
        start, higher = end, higher + mass
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=order.device)
    return result[back]


def best_with_exact_fractions(reference, score, n):
    """Whole numbers over whole numbers for small n; the package's own for large ones, which would take for ever."""
    if n > 1000:
        return rlhf.best_of_n(reference, score, n)
    p, s = [Fraction(x) for x in reference.tolist()], score.tolist()
    total = sum(p)
    result = []
    for i, level in enumerate(s):
        f = sum((x for x, other in zip(p, s, strict=True) if other <= level), Fraction(0)) / total
        g = sum((x for x, other in zip(p, s, strict=True) if other < level), Fraction(0)) / total
        result.append(float((f**n - g**n) * p[i] / (total * (f - g))) if p[i] else 0.0)
    return torch.tensor(result, dtype=torch.float64, device=score.device)


def estimate_with_comb(score, gold, n):
    count = len(score)
    if n > count:
        raise ValueError("too few texts")
    ranked = gold[torch.argsort(score)].tolist()
    groups = math.comb(count, n)
    return sum(math.comb(i, n - 1) / groups * g for i, g in enumerate(ranked))


def estimate_with_lgamma(score, gold, n):
    count = score.numel()
    if n > count:
        raise ValueError(f"{n} of {count}")
    i = np.arange(n, count + 1)
    log = gammaln(i) - gammaln(n) - gammaln(i - n + 1)
    log -= gammaln(count + 1) - gammaln(n + 1) - gammaln(count - n + 1)
    ranked = gold.cpu().numpy()[np.argsort(score.cpu().numpy())]
    return float((np.exp(log) * ranked[n - 1 :]).sum())


def estimate_as_a_tensor(score, gold, n):
    if not n <= len(score):
        raise ValueError
    j = torch.arange(n, len(score), dtype=torch.float64, device=score.device)
    ratios = torch.cat(
        [torch.ones(1, dtype=torch.float64, device=score.device), ((j - n + 1) / j).flip(0).cumprod(0)]
    )
    best_first = gold[score.argsort(descending=True)].double()
    return (n / len(score) * ratios * best_first[: len(ratios)]).sum()


def estimate_top_down_in_python(score, gold, n):
    pairs = sorted(zip(score.tolist(), gold.tolist(), strict=True), reverse=True)
    if n > len(pairs):
        raise ValueError("n must be at most N")
    total, chance = 0.0, n / len(pairs)  # chance that text number k from the top is the best of the group
    for k, (_, value) in enumerate(pairs):
        total += chance * value
        left = len(pairs) - k - 1
        chance *= (left - n + 1) / left if left else 0.0
    return total


def estimate_with_fractions(score, gold, n):
    if n > len(score):
        raise ValueError("n is too large")
    ranked = gold[score.sort().indices].tolist()
    weights = [Fraction(math.comb(i, n - 1), math.comb(len(ranked), n)) for i in range(n - 1, len(ranked))]
    return math.fsum(float(w) * g for w, g in zip(weights, ranked[n - 1 :], strict=True))


def fit_with_lstsq(kl, gain, form):
    keep = kl > 0
    d = torch.sqrt(kl[keep])
    second = d**2 if form == "bon" else d * torch.log(d)
    a, b = torch.linalg.lstsq(torch.stack([d, -second], 1), gain[keep][:, None]).solution[:, 0]
    if b <= 0:
        return a, b, math.inf
    return a, b, (a / (2 * b)) ** 2 if form == "bon" else torch.exp(2 * (a / b - 1))


def fit_with_normal_equations(kl, gain, form):
    rows = [(math.sqrt(k), g) for k, g in zip(kl.tolist(), gain.tolist(), strict=True) if k > 0]
    x = [(d, d * d if form == "bon" else d * math.log(d)) for d, _ in rows]
    aa, ab, bb = (sum(row[i] * row[j] for row in x) for i, j in ((0, 0), (0, 1), (1, 1)))
    ya, yb = (sum(row[i] * g for row, (_, g) in zip(x, rows, strict=True)) for i in (0, 1))
    det = aa * bb - ab * ab
    alpha, beta = (ya * bb - yb * ab) / det, -(yb * aa - ya * ab) / det
    if beta <= 0:
        return [alpha, beta, float("inf")]
    d = alpha / 2 / beta if form == "bon" else math.exp(alpha / beta - 1)
    return [alpha, beta, d * d]


def fit_with_numpy(kl, gain, form):
    kl, gain = kl.cpu().numpy().astype(float), gain.cpu().numpy().astype(float)
    d, y = np.sqrt(kl[kl > 0]), gain[kl > 0]
    x = np.column_stack([d, -d * (d if form == "bon" else np.log(d))])
    (alpha, beta), *_ = np.linalg.lstsq(x, y, rcond=None)
    if beta <= 0:
        return alpha, beta, np.inf
    return alpha, beta, (alpha / (2 * beta) if form == "bon" else np.exp(alpha / beta - 1)) ** 2


def fit_with_log_kl(kl, gain, form):
    """log d as half of log KL."""
    k, y = kl[kl > 0].double(), gain[kl > 0].double()
    x = torch.stack([k.sqrt(), -k if form == "bon" else -k.sqrt() * k.log() / 2], dim=1)
    alpha, beta = (torch.linalg.pinv(x) @ y).tolist()
    if beta <= 0:
        return alpha, beta, torch.tensor(float("inf"))
    return alpha, beta, alpha**2 / (4 * beta**2) if form == "bon" else math.exp(2 * alpha / beta - 2)


def fit_as_one_tensor(kl, gain, form):
    return torch.tensor(rlhf.fit_overoptimization(kl, gain, form), dtype=torch.float64)


def choice_in_a_loop(ns, second, wins, comparisons):
    best, best_share = None, -1.0
    for i in range(len(ns)):
        if comparisons[i] == 0:
            continue
        share = wins[i] / comparisons[i]
        if share > best_share or (share == best_share and ns[i] < best):
            best, best_share = ns[i], share
    return best


def choice_with_fractions(ns, second, wins, comparisons):
    rows = [(Fraction(w) / c, -n) for n, w, c in zip(ns, wins, comparisons, strict=True) if c]
    return -max(rows)[1]


def choice_with_torch(ns, second, wins, comparisons):
    of = torch.tensor(comparisons, dtype=torch.float64)
    share = torch.where(of > 0, torch.tensor(wins, dtype=torch.float64) / of, -1.0)
    return torch.tensor(ns)[share == share.max()].min()


def choice_sorted(ns, second, wins, comparisons):
    share = {n: w / c for n, w, c in zip(ns, wins, comparisons, strict=True) if c > 0}
    return sorted(share, key=lambda n: (-share[n], n))[0]


def choice_with_numpy(ns, second, wins, comparisons):
    order = np.argsort(ns)
    c = np.asarray(comparisons, dtype=float)[order]
    share = np.divide(np.asarray(wins)[order], c, out=np.full(len(c), -np.inf), where=c > 0)
    return np.asarray(ns)[order][share.argmax()]


def reward_member_by_member(scores, reference, mode, coefficient):
    rows = [row - (row * reference).sum() for row in scores]
    if mode == "min":
        result = rows[0]
        for row in rows[1:]:
            result = torch.minimum(result, row)
        return result
    mean = sum(rows) / len(rows)
    if mode == "uwo":
        return mean - coefficient * sum((row - mean) ** 2 for row in rows) / len(rows)
    return mean


def reward_with_moments(scores, reference, mode, coefficient):
    centred = scores.double() - torch.einsum("mn,n->m", scores.double(), reference.double())[:, None]
    mean, square = centred.mean(0), (centred**2).mean(0)
    return {"mean": mean, "min": centred.amin(0), "uwo": mean - coefficient * (square - mean**2)}[mode]


def reward_with_numpy(scores, reference, mode, coefficient):
    s, p = scores.cpu().numpy(), reference.cpu().numpy()
    s = s - np.average(s, axis=1, weights=p)[:, None]
    result = {"mean": s.mean(0), "min": s.min(0), "uwo": s.mean(0) - coefficient * s.var(0)}[mode]
    return torch.from_numpy(result).to(scores.device)


def reward_with_unbiased_off(scores, reference, mode, coefficient):
    c = (scores.T - scores @ reference).T
    if mode == "min":
        return torch.min(c, 0)[0]
    return c.mean(0) - (coefficient * c.var(0, unbiased=False) if mode == "uwo" else 0)


def reward_sorted(scores, reference, mode, coefficient):
    c = (scores - (scores * reference).sum(1, keepdim=True)).sort(dim=0).values
    variance = (c - c.mean(0)).square().mean(0)
    return c[0] if mode == "min" else c.mean(0) - (mode == "uwo") * coefficient * variance


LEGITIMATE = [
    pytest.param(name, answer, id=f"{name}-{getattr(answer, '__name__', number)}")
    for name, answers in {
        "best_of_n": (
            best_level_by_level, best_with_two_survivals, best_with_numpy, best_sorted, best_with_exact_fractions,
            rlhf.best_of_n),
        "best_of_n_estimate": (
            estimate_with_comb, estimate_with_lgamma, estimate_as_a_tensor, estimate_top_down_in_python,
            estimate_with_fractions, rlhf.best_of_n_estimate),
        "fit_overoptimization": (
            fit_with_lstsq, fit_with_normal_equations, fit_with_numpy, fit_with_log_kl, fit_as_one_tensor,
            rlhf.fit_overoptimization),
        "choose_n": (
            choice_in_a_loop, choice_with_fractions, choice_with_torch, choice_sorted, choice_with_numpy,
            lambda ns, s, w, c: rlhf.choose_n(ns, w, c)),
        "conservative_reward": (
            reward_member_by_member, reward_with_moments, reward_with_numpy, reward_with_unbiased_off, reward_sorted,
            rlhf.conservative_reward),
    }.items()
    for number, answer in enumerate(answers)
]  # fmt: skip


# Mistakes that the checks know by name

KNOWN = known(
    {
        "best_of_n": BEST_MISTAKES,
        "best_of_n_estimate": ESTIMATE_MISTAKES,
        "fit_overoptimization": FORM_MISTAKES,
        "choose_n": CHOICE_MISTAKES,
        "conservative_reward": REWARD_MISTAKES,
    }
)


# Mistakes written as students write them: (exercise, answer, what the report must say)


def best_naively(reference, score, n):
    """The formula as it stands, sorted, with ties by place."""
    order = torch.argsort(score)
    f = torch.cumsum(reference[order], 0) ** n
    result = torch.zeros_like(f)
    result[order] = torch.diff(f, prepend=torch.zeros(1, dtype=f.dtype, device=f.device))
    return result


def best_from_below(reference, score, n):
    """Ties are right; F is added up from below, and subtracted."""
    levels, level = torch.unique(score, return_inverse=True)
    mass = torch.zeros(len(levels), dtype=torch.float64, device=score.device).index_add(0, level, reference)
    f = mass.cumsum(0)
    step = f**n - (f - mass) ** n
    return torch.where(reference > 0, step[level] * reference / mass[level], 0.0)


def best_by_simulation(reference, score, n):
    draws = torch.multinomial(reference, min(n, 64) * 200, replacement=True).view(200, -1)
    best = draws.gather(1, score[draws].argmax(dim=1, keepdim=True)).squeeze(1)
    return torch.bincount(best, minlength=len(score)).double() / 200


def best_in_place(reference, score, n):
    p = rlhf.best_of_n(reference, score, n)
    reference.copy_(p)
    return reference


def estimate_with_float_binomials(score, gold, n):
    if n > len(score):
        raise ValueError("n")
    numbers = torch.arange(1, len(score) + 1, dtype=torch.float64)

    def comb(a, b):
        return (
            torch.exp(torch.lgamma(a + 1))
            / torch.exp(torch.lgamma(b + 1))
            / torch.exp(torch.lgamma(a - b + 1))
        )

    count = torch.tensor(float(len(score)), dtype=torch.float64)
    k = torch.tensor(float(n), dtype=torch.float64)
    weights = torch.where(numbers >= n, comb(numbers - 1, k - 1), 0.0) / comb(count, k)
    return (weights * gold[score.argsort()].cpu()).sum().item()


def estimate_by_resampling(score, gold, n):
    draw = torch.Generator().manual_seed(0)
    rows = torch.stack([torch.randperm(len(score), generator=draw)[:n] for _ in range(500)])
    return gold[rows.gather(1, score.cpu()[rows].argmax(1, keepdim=True)).squeeze(1)].mean().item()


def fit_with_polyfit(kl, gain, form):
    if form == "rl":
        return fit_keeping_zero(kl, gain, form)
    b, a, _ = np.polyfit(np.sqrt(kl.numpy()), gain.numpy(), 2)
    return a, -b, (a / (-2 * b)) ** 2


def fit_keeping_zero(kl, gain, form):
    d = kl.double().sqrt()
    x = torch.stack([d, -d * (d if form == "bon" else d.log())], 1)
    alpha, beta = torch.linalg.solve(x.T @ x, x.T @ gain.double()).tolist()
    if beta <= 0:
        return alpha, beta, math.inf
    return alpha, beta, (alpha / 2 / beta if form == "bon" else math.exp(alpha / beta - 1)) ** 2


MISTAKES = {
    "best: nothing returned": ("best_of_n", lambda p, s, n: None, "is a `return` missing?"),
    "best: a list": ("best_of_n", lambda p, s, n: rlhf.best_of_n(p, s, n).tolist(), "a list of 3"),
    "best: hard-coded": (
        "best_of_n", lambda p, s, n: torch.tensor([0.0625, 0.3471, 0.5904]), "of shape (1,)"),
    "best: sorted and subtracted": ("best_of_n", best_naively, "ranked by their place"),
    "best: digits lost": ("best_of_n", best_from_below, "A small probability lost its digits"),
    "best: simulated": ("best_of_n", best_by_simulation, "expected the probability"),
    "best: in place": ("best_of_n", best_in_place, "writes into one of its inputs"),
    "best: float32 in between": (
        "best_of_n", lambda p, s, n: best_from_below(p.float(), s, n), "RuntimeError"),
    "best: summed": ("best_of_n", lambda p, s, n: rlhf.best_of_n(p, s, n).sum(), "of shape (3,)"),
    "best: the kept text": ("best_of_n", lambda p, s, n: s.argmax(), "floating-point tensor of shape"),
    "estimate: one number a text": (
        "best_of_n_estimate", lambda s, g, n: g.double() * rlhf.best_of_n_estimate(s, g, n), "One number is asked for"),
    "estimate: NaN from overflow": ("best_of_n_estimate", estimate_with_float_binomials, "got nan"),
    "estimate: resampled": ("best_of_n_estimate", estimate_by_resampling, "expected the estimate"),
    "estimate: n clipped": (
        "best_of_n_estimate", lambda s, g, n: rlhf.best_of_n_estimate(s, g, min(n, len(s))), "check n first"),
    "estimate: an assert": (
        "best_of_n_estimate",
        lambda s, g, n: (_ for _ in ()).throw(AssertionError("n")) if n > len(s) else rlhf.best_of_n_estimate(s, g, n),
        "expected ValueError"),
    "fit: polyfit": ("fit_overoptimization", fit_with_polyfit, "The fit has an intercept"),
    "fit: zero kept": ("fit_overoptimization", fit_keeping_zero, "0 * log 0 is NaN"),
    "fit: two numbers": (
        "fit_overoptimization", lambda k, g, f: rlhf.fit_overoptimization(k, g, f)[:2], "(alpha, beta, kl_at_peak)"),
    "fit: None for never": (
        "fit_overoptimization",
        lambda k, g, f: tuple(None if x == math.inf else x for x in rlhf.fit_overoptimization(k, g, f)),
        "expected the KL at the peak"),
    "choice: None": ("choose_n", lambda ns, s, w, c: None, "is a `return` missing?"),
    "choice: divides by zero": (
        "choose_n", lambda ns, s, w, c: max(zip(ns, w, c, strict=True), key=lambda r: (r[1] / r[2], -r[0]))[0],
        "ZeroDivisionError"),
    "choice: a list": ("choose_n", lambda ns, s, w, c: [rlhf.choose_n(ns, w, c)], "a list of 1"),
    "choice: net wins": (
        "choose_n", lambda ns, s, w, c: max(zip(ns, w, c, strict=True), key=lambda r: (2 * r[1] - r[2], -r[0]))[0],
        "some cases fail"),
    "reward: a column": (
        "conservative_reward", lambda s, p, m, c: rlhf.conservative_reward(s, p, m, c)[:, None], "(3, 1)"),
    "reward: min with indices": (
        "conservative_reward",
        lambda s, p, m, c: (s - (s @ p)[:, None]).min(0) if m == "min" else rlhf.conservative_reward(s, p, m, c),
        "floating-point tensor of shape"),
    "reward: NaN for one member": (
        "conservative_reward",
        lambda s, p, m, c: (
            (s - (s @ p)[:, None]).mean(0) - c * (s - (s @ p)[:, None]).var(0) * (len(s) - 1) / len(s)
            if m == "uwo" else rlhf.conservative_reward(s, p, m, c)),
        "got nan"),
    "reward: in place": (
        "conservative_reward",
        lambda s, p, m, c: rlhf.conservative_reward(s.sub_((s @ p)[:, None]), p, m, c), "writes into one of its inputs"),
    "reward: another mode refused": (
        "conservative_reward",
        lambda s, p, m, c: {"mean": 1, "min": 1}[m] * rlhf.conservative_reward(s, p, m, c), "KeyError"),
}  # fmt: skip


def test_every_exercise_has_at_least_five_legitimate_answers_and_ten_named_mistakes():
    for name in lesson07.__all__:
        assert sum(row.values[0] == name for row in LEGITIMATE) >= 5
        assert sum(row.values[0] == name for row in KNOWN) >= 10


def test_half_right_answers_get_part_of_the_points():
    by_case = {
        "best_of_n": (best_from_below, 1.5),
        "best_of_n_estimate": (estimate_with_float_binomials, 1.5),
        "fit_overoptimization": (fit_keeping_zero, 1.5),
        "choose_n": (
            CHOICE_MISTAKES[next(m for m in CHOICE_MISTAKES if "takes the largest n. The" in m)],
            1.5,
        ),
        "conservative_reward": (REWARD_MISTAKES[next(m for m in REWARD_MISTAKES if "members - 1" in m)], 0.5),
    }
    for name, (answer, points) in by_case.items():
        report = report_on(name, answer, "secret")
        assert report.score == points, str(report)


def test_the_hand_worked_numbers_of_the_lesson_hold():
    reference, score = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([0.0, 1.0, 2.0])
    for scores, n, want in (
        (score, 2, [0.25, 0.39, 0.36]),
        (score, 4, [0.0625, 0.3471, 0.5904]),
        (torch.tensor([1.0, 1.0, 2.0]), 2, [0.4, 0.24, 0.36]),
    ):
        assert rlhf.best_of_n(reference, scores, n).tolist() == pytest.approx(want, abs=5e-5)
    four = rlhf.best_of_n(reference, score, 4)
    assert rlhf.kl_divergence(four.log(), reference.log()) == pytest.approx(0.560, abs=5e-4)
    assert rlhf.best_of_n_kl_bound(4) == pytest.approx(0.636, abs=5e-4)
    scored = torch.tensor([0.2, 0.9, 0.5, 0.7]), torch.tensor([1.0, 2.0, 4.0, 3.0])
    found = [rlhf.best_of_n_estimate(*scored, n) for n in (1, 2, 3, 4)]
    assert found == pytest.approx([2.5, 2.6667, 2.25, 2.0], abs=5e-5)
    points = torch.tensor([0.0, 0.25, 1.0, 4.0]), torch.tensor([0.0, 1.3, 2.1, 2.9])
    assert rlhf.fit_overoptimization(*points, "bon") == pytest.approx((2.8366, 0.6950, 4.1640), abs=5e-5)
    assert rlhf.choose_n([16, 256, 4096, 65536], [20, 13, 24, 9], [40, 20, 40, 20]) == 256
    members = torch.tensor([[1.0, 2.0, 0.0], [3.0, 2.0, 0.5], [2.0, 2.0, -2.0]])
    for mode, want in (
        ("mean", [0.5, 0.5, -2]),
        ("min", [-0.1, -0.2, -3.2]),
        ("uwo", [0.41, 0.3767, -2.39]),
    ):
        got = rlhf.conservative_reward(members, reference, mode, 0.5)
        assert got.tolist() == pytest.approx(want, abs=5e-5)


def test_the_quiz_is_right():
    """Question 1: the cube of a score changes nothing. Question 2: 64 to 128 is log 2, less a little."""
    draw = torch.Generator().manual_seed(0)
    reference = torch.softmax(torch.randn(20, generator=draw, dtype=torch.float64), 0)
    score = torch.randn(20, generator=draw, dtype=torch.float64)
    assert torch.equal(rlhf.best_of_n(reference, score, 7), rlhf.best_of_n(reference, score**3, 7))
    grown = rlhf.best_of_n_kl_bound(128) - rlhf.best_of_n_kl_bound(64)
    assert math.log(2) - 0.01 < grown < math.log(2)
    groups = list(itertools.combinations([1, 4, 3, 2], 2))  # gold in ascending order of score
    assert sum(group[1] for group in groups) / len(groups) == pytest.approx(2.6667, abs=5e-5)


# Mutants of the lesson's own answers that are right all the same

EQUIVALENT = {
    "choose_n": {r"-> compared = zip": "the lists are equally long"},
    "best_of_n_estimate": {
        r"len\(score\.(detach|float|clamp)": "only the number of scores counts",
        r"\.(detach|float)\(\)": "no gradient is asked for, and float32 is precise enough",
        r"-> ranked = gold\[score\.argsort\(\)\]$": "a 0-dim tensor counts as a number",
        r", -2, -1\):$|i > 0 else 1\.0$": "the weight behind the last text is not used",
    },
}
