"""The checks of lesson 5 accept every legitimate way to write an answer, and name the usual mistakes."""

import collections
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch
import torch.nn.functional as F

from reward_lab import statistics
from reward_lab.lessons.lesson05 import checks as lesson05
from reward_lab.lessons.lesson05.checks.best import BEST_MISTAKES
from reward_lab.lessons.lesson05.checks.controlled import RATE_MISTAKES, right_rate
from reward_lab.lessons.lesson05.checks.edit import EFFECT_MISTAKES
from reward_lab.lessons.lesson05.checks.paired import TEST_MISTAKES
from reward_lab.lessons.lesson05.checks.style import STYLE_MISTAKES
from tests.lessons.answers import known, reports_of

report_on = reports_of(lesson05)

Effect = collections.namedtuple("Effect", "mean standard_error")


# Legitimate answers


def effect_in_one_pass(model, texts, edited):
    """Both sides in one call where their lengths agree."""
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        if texts.shape == edited.shape:
            before, after = model(torch.cat([texts, edited])).chunk(2)
        else:
            before, after = model(texts), model(edited)
        d = (after - before).double()
        result = torch.stack([d.mean(), d.std() / math.sqrt(len(d))])
    model.train(was_training)
    return result


def effect_with_numpy(model, texts, edited):
    was_training = model.training
    with torch.no_grad():
        model.eval()
        d = (model(edited) - model(texts)).cpu().numpy().astype(float)
        model.train(was_training)
    return [d.mean(), d.std(ddof=1) / np.sqrt(len(d))]


def effect_with_scipy(model, texts, edited):
    mode = model.training
    try:
        model.train(False)
        with torch.no_grad():
            d = model(edited).double() - model(texts).double()
    finally:
        model.train(mode)
    return float(d.mean()), float(scipy.stats.sem(d.cpu().numpy()))


def effect_text_by_text(model, texts, edited):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        d = [
            (model(e.unsqueeze(0)) - model(t.unsqueeze(0))).item() for t, e in zip(texts, edited, strict=True)
        ]
    model.train(was_training)
    mean = sum(d) / len(d)
    variance = sum((x - mean) ** 2 for x in d) / (len(d) - 1)
    return Effect(mean, (variance / len(d)) ** 0.5)


def columns(wins, d):
    d, won = d.double(), wins.double()
    scale = d.std(correction=0)
    if scale == 0:
        raise ValueError("All lengths are equal.")
    return torch.stack([torch.ones_like(d), torch.tanh(d / scale)], dim=1), won


def rate_by_lbfgs(wins, d):
    x, won = columns(wins, d)
    weights = torch.zeros(2, dtype=torch.float64, device=d.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-10
    )

    def loss():
        optimizer.zero_grad()
        value = F.binary_cross_entropy_with_logits(x @ weights, won)
        value.backward()
        return value

    optimizer.step(loss)
    return torch.sigmoid(weights[0]).detach()


def rate_with_scipy(wins, d):
    x, won = (part.cpu().numpy() for part in columns(wins, d))

    def loss(w):
        z = x @ w
        return (np.logaddexp(0, z) - won * z).sum(), x.T @ (1 / (1 + np.exp(-z)) - won)

    w = scipy.optimize.minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    return 1 / (1 + np.exp(-w[0]))


def rate_by_gradient_steps(wins, d):
    """Plain ascent, with the step that the curvature's bound allows, until nothing moves."""
    x, won = columns(wins, d)
    weights = torch.zeros(2, dtype=torch.float64, device=d.device)
    for _ in range(20_000):
        slope = x.T @ (won - torch.sigmoid(x @ weights)) / len(won)
        weights = weights + 2 * slope
        if slope.abs().max() < 1e-9:
            break
    return float(torch.sigmoid(weights[0]))


def rate_by_reweighting(wins, d):
    """Iteratively reweighted least squares, in plain NumPy."""
    x, won = (part.cpu().numpy() for part in columns(wins, d))
    w = np.zeros(2)
    for _ in range(100):
        p = 1 / (1 + np.exp(-x @ w))
        root = np.sqrt(p * (1 - p))
        move = np.linalg.lstsq(x * root[:, None], (won - p) / root, rcond=None)[0]
        w = w + move / max(1, np.abs(move).max())
    return float(scipy.special.expit(w[0]))


def style_by_loops(preferred, rejected):
    kinds = {"easy": [], "normal": [], "hard": []}
    for p, r in zip(preferred.tolist(), rejected.tolist(), strict=True):
        for i, j in itertools.product(range(3), range(3)):
            kinds["easy" if i > j else "normal" if i == j else "hard"].append(p[i] > r[j])
    return {kind: sum(right) / len(right) for kind, right in kinds.items()}


def style_with_masks(preferred, rejected):
    right = (preferred.unsqueeze(2) > rejected.unsqueeze(1)).float()
    i, j = torch.meshgrid(torch.arange(3), torch.arange(3), indexing="ij")
    cells = {"hard": i < j, "normal": i == j, "easy": i > j}
    return {kind: right[:, where.to(right.device)].mean() for kind, where in cells.items()}


def style_with_numpy(preferred, rejected):
    right = preferred.cpu().numpy()[:, :, None] > rejected.cpu().numpy()[:, None, :]
    table = right.mean(axis=0)
    lower, upper = np.tril_indices(3, -1), np.triu_indices(3, 1)
    return {
        "easy": table[lower].mean(),
        "normal": table.diagonal().mean(),
        "hard": table[upper].mean(),
        "all": 1,
    }


def style_cell_by_cell(preferred, rejected):
    def share(cells):
        return sum((preferred[:, i] > rejected[:, j]).double().mean().item() for i, j in cells) / len(cells)

    return {
        "easy": share([(1, 0), (2, 0), (2, 1)]),
        "normal": share([(0, 0), (1, 1), (2, 2)]),
        "hard": share([(0, 1), (0, 2), (1, 2)]),
    }


def best_row_by_row(scores):
    total = 0.0
    for row in scores.tolist():
        if any(math.isnan(x) for x in row):
            continue
        top = max(row)
        if row[0] == top:
            total += 1 / row.count(top)
    return total / len(scores)


def best_with_exact_fractions(scores):
    shares = []
    for row in scores.cpu().numpy():
        top = np.flatnonzero(row == row.max())
        shares.append(Fraction(1, len(top)) if 0 in top else Fraction(0))
    return float(sum(shares) / len(shares))


def best_by_counting(scores):
    """How many are higher, how many equal."""
    first = scores[:, :1]
    higher, equal = (scores > first).sum(dim=1), (scores == first).sum(dim=1)
    fine = ~torch.isnan(scores).any(dim=1)
    return torch.where(fine & (higher == 0), 1.0 / equal.clamp(min=1), 0.0).double().mean()


def best_with_numpy(scores):
    s = scores.cpu().numpy()
    with np.errstate(invalid="ignore"):
        top = s == s.max(axis=1, keepdims=True)
        share = np.divide(top[:, 0], top.sum(axis=1), out=np.zeros(len(s)), where=top.sum(axis=1) > 0)
    return share.mean()


def counts(a, b):
    return int((a & ~b).sum()), int((~a & b).sum())


def p_with_comb(a, b):
    only_a, only_b = counts(a, b)
    n, m = only_a + only_b, min(only_a, only_b)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(m + 1)) / 2**n)


def p_with_scipy(a, b):
    only_a, only_b = counts(a, b)
    return scipy.stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0


def p_with_the_distribution(a, b):
    only_a, only_b = counts(a, b)
    return torch.tensor(min(1.0, 2 * scipy.stats.binom.cdf(min(only_a, only_b), only_a + only_b, 0.5)))


def p_with_fractions(a, b):
    n, m = sum(counts(a, b)), min(counts(a, b))
    term, total = Fraction(1, 2**n), Fraction(0)
    for k in range(m + 1):
        total += term
        term = term * (n - k) / (k + 1)
    return float(min(Fraction(1), 2 * total))


def p_with_logsumexp(a, b):
    only_a, only_b = counts(a, b)
    n, k = only_a + only_b, torch.arange(min(only_a, only_b) + 1, dtype=torch.float64)
    count = torch.tensor(float(n), dtype=torch.float64)
    logs = torch.lgamma(count + 1) - torch.lgamma(k + 1) - torch.lgamma(count - k + 1) - n * math.log(2)
    return (2 * torch.logsumexp(logs, 0).exp()).clamp(max=1.0).item()


LEGITIMATE = [
    pytest.param(name, answer, id=f"{name}-{what}")
    for name, answers in {
        "counterfactual_effect": {
            "the package's": statistics.counterfactual_effect,
            "one pass": effect_in_one_pass,
            "numpy, a list": effect_with_numpy,
            "scipy": effect_with_scipy,
            "text by text, a namedtuple": effect_text_by_text,
        },
        "length_controlled_win_rate": {
            "the package's": right_rate,
            "L-BFGS": rate_by_lbfgs,
            "scipy": rate_with_scipy,
            "gradient steps": rate_by_gradient_steps,
            "reweighted least squares": rate_by_reweighting,
        },
        "style_accuracy": {
            "the package's": statistics.style_accuracy,
            "loops": style_by_loops,
            "masks": style_with_masks,
            "numpy, one key more": style_with_numpy,
            "cell by cell": style_cell_by_cell,
        },
        "best_of_k_accuracy": {
            "the package's": statistics.best_of_k_accuracy,
            "row by row": best_row_by_row,
            "fractions": best_with_exact_fractions,
            "counting": best_by_counting,
            "numpy": best_with_numpy,
        },
        "paired_test": {
            "whole numbers": p_with_comb,
            "scipy's test": p_with_scipy,
            "scipy's distribution": p_with_the_distribution,
            "fractions": p_with_fractions,
            "logarithms": p_with_logsumexp,
        },
    }.items()
    for what, answer in answers.items()
]
KNOWN = known(
    {
        "counterfactual_effect": EFFECT_MISTAKES,
        "length_controlled_win_rate": RATE_MISTAKES,
        "style_accuracy": STYLE_MISTAKES,
        "best_of_k_accuracy": BEST_MISTAKES,
        "paired_test": TEST_MISTAKES,
    }
)


# Mistakes, as students write them


def effect_left_in_evaluation(model, texts, edited):
    model.eval()
    with torch.no_grad():
        d = model(edited) - model(texts)
    return d.mean().item(), d.std().item() / len(d) ** 0.5


def effect_that_trains(model, texts, edited):
    was_training = model.training
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    d = model(edited) - model(texts)
    model.train(was_training)
    return d.mean().item(), d.std().item() / len(d) ** 0.5


def effect_one_number(model, texts, edited):
    return effect_with_scipy(model, texts, edited)[0]


def effect_of_tensors(model, texts, edited):
    with torch.no_grad():
        d = model(edited) - model(texts)
    return d, d.std() / len(d) ** 0.5


def rate_unchecked(wins, d):
    try:
        return rate_by_lbfgs(wins, d)
    except ValueError:
        return wins.mean().item()


def rate_by_newton_unlimited(wins, d):
    """Newton's steps as they come: from far away they overshoot, and the answer is NaN."""
    x, won = columns(wins, d)
    w = torch.full((2,), -6.0, dtype=torch.float64)
    for _ in range(30):
        p = torch.sigmoid(x @ w)
        w = w + torch.linalg.pinv((x * (p * (1 - p)).unsqueeze(1)).T @ x) @ (x.T @ (won - p))
    return torch.sigmoid(w[0]).item()


def best_by_argmax(scores):
    return (scores.argmax(dim=1) == 0).float().mean().item()


def best_squeezed(scores):
    p = torch.sigmoid(scores + 8).bfloat16()
    top = p == p.amax(dim=1, keepdim=True)
    return (top[:, 0] / top.sum(dim=1).clamp(min=1)).mean().item()


def best_with_isclose(scores):
    top = torch.isclose(scores, scores.amax(dim=1, keepdim=True))
    return (top[:, 0] / top.sum(dim=1).clamp(min=1)).mean().item()


def p_in_floats(a, b):
    only_a, only_b = counts(a, b)
    n = only_a + only_b
    return min(1.0, 2 * sum(math.comb(n, k) * 0.5**n for k in range(min(only_a, only_b) + 1)))


MISTAKES = {
    "edit: mode left": (
        "counterfactual_effect",
        effect_left_in_evaluation,
        "end with `model.train(was_training)`",
    ),
    "edit: frozen": ("counterfactual_effect", effect_that_trains, "Use `torch.no_grad()`"),
    "edit: one number": ("counterfactual_effect", effect_one_number, "two numbers, (mean, standard_error)"),
    "edit: not reduced": ("counterfactual_effect", effect_of_tensors, "the mean"),
    "rate: equal lengths": ("length_controlled_win_rate", rate_unchecked, "check their spread first"),
    "rate: overshoots": ("length_controlled_win_rate", rate_by_newton_unlimited, "the win rate"),
    "style: no dict": (
        "style_accuracy",
        lambda p, r: (1.0, 0.5, 0.0),
        "a dict with `easy`, `normal` and `hard`",
    ),
    "style: only the diagonal": (
        "style_accuracy",
        lambda p, r: dict.fromkeys(("easy", "normal", "hard"), (p > r).double().mean().item()),
        "compare equal styles only",
    ),
    "best: argmax": ("best_of_k_accuracy", best_by_argmax, "`argmax` gives every tie to the first column"),
    "best: squeezed": ("best_of_k_accuracy", best_squeezed, "The scores are squeezed"),
    "best: isclose": ("best_of_k_accuracy", best_with_isclose, "Compare them as they are"),
    "paired: floats": ("paired_test", p_in_floats, "OverflowError"),
    "paired: a bool": ("paired_test", lambda a, b: p_with_comb(a, b) < 0.05, "a number"),
}


# Mutants of the lesson's own answers that are right all the same

EQUIVALENT = {
    "style_accuracy": {
        r"(preferred|rejected|right)\.(detach|float)\(\)|\.double\(\)\.(detach|float)": "whole numbers, no gradient",
        r"\.float\(\)\.mean": "float32 is precise enough",
        r"right\.clamp": "shares lie between 0 and 1",
        r"\.item\(\)|diagonal\(\)\.mean\(\)[,}]|\.sum\(\) / 3": "a 0-dim tensor counts as a number",
    },
    "paired_test": {
        r"\.detach\(\)": "no gradient is asked for",
        r"int\(\(right_|-> only_": "a 0-dim tensor counts as a number",
        r"min\(only_b, only_a\)|, 1\.0\)$": "the smaller of two, in either order",
    },
}
