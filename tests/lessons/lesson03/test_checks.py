"""The checks of lesson 3 accept every legitimate way to write an answer, and name the usual mistakes."""

import collections
import math
import random

import numpy as np
import pytest
import scipy.optimize
import torch
import torch.nn.functional as F

from reward_lab import statistics as st
from reward_lab.lessons.lesson03 import checks as lesson03
from reward_lab.lessons.lesson03 import experiments
from reward_lab.lessons.lesson03.checks.asked import TRAINING_MISTAKES
from reward_lab.lessons.lesson03.checks.calibrated import CALIBRATION_MISTAKES
from reward_lab.lessons.lesson03.checks.corrected import CORRECTED_MISTAKES
from reward_lab.lessons.lesson03.checks.cures import CURE_MISTAKES
from reward_lab.lessons.lesson03.checks.davidson import DAVIDSON_MISTAKES
from reward_lab.lessons.lesson03.checks.labels import LABEL_MISTAKES
from reward_lab.lessons.lesson03.checks.smoothed import SMOOTHED_MISTAKES
from reward_lab.lessons.lesson03.cures import compare_cures as packages_cures
from tests.lessons.answers import known, reports_of

NAME = "03_noise_ties_calibration"

report_on = reports_of(lesson03)


# Legitimate answers


def uniform(p, generator):
    return torch.rand(p.shape, generator=generator, device=p.device)


def labels_element_by_element(p, flip_rate, generator):
    labels = []
    for value in p.flatten().tolist():
        preference, flipped = (
            torch.rand((), generator=generator, device=p.device).item() < chance
            for chance in (value, flip_rate)
        )
        labels.append(preference != flipped)
    return torch.tensor(labels, dtype=torch.bool, device=p.device).view(p.shape)


def labels_by_bernoulli(p, flip_rate, generator):
    preference = torch.bernoulli(p, generator=generator).bool()
    flipped = torch.bernoulli(torch.full_like(p, flip_rate), generator=generator).bool()
    return torch.where(flipped, ~preference, preference)


def labels_by_two_rows(p, flip_rate, generator):
    first, second = torch.rand((2, *p.shape), generator=generator, device=p.device)
    return torch.logical_xor(first < p, second < flip_rate)


def labels_by_sign(p, flip_rate, generator):
    signs = torch.where(uniform(p, generator) < p, 1, -1) * torch.where(
        uniform(p, generator) < flip_rate, -1, 1
    )
    return signs > 0


def labels_from_a_list_of_draws(p, flip_rate, generator):
    draws = torch.rand(2 * p.numel(), generator=generator, device=p.device)
    first, second = draws[::2].view(p.shape), draws[1::2].view(p.shape)
    return torch.ne(first.lt(p), second.lt(flip_rate))


LABELS = {
    "by signs": labels_by_sign,
    "every other draw": labels_from_a_list_of_draws,
    "by a change of p": lambda p, e, g: uniform(p, g) < torch.where(uniform(p, g) < e, 1 - p, p),
    "two draws": lambda p, e, g: (uniform(p, g) < p) ^ (uniform(p, g) < e),
    "one draw": lambda p, e, g: uniform(p, g) < p * (1 - e) + (1 - p) * e,
    "flips first": lambda p, e, g: (uniform(p, g) < e) != (uniform(p, g) < p),
    "bernoulli": labels_by_bernoulli,
    "both at once": labels_by_two_rows,
    "in float64": lambda p, e, g: (
        torch.rand(p.shape, generator=g, device=p.device, dtype=torch.float64) >= 1 - p.double()
    ) ^ (uniform(p, g) < e),
    "one at a time": labels_element_by_element,
    "the package's": st.noisy_labels,
}  # fmt: skip


def smoothed_by_cross_entropy(margin, smoothing):
    scores = torch.stack([margin, torch.zeros_like(margin)], dim=1)
    target = torch.tensor([1 - smoothing, smoothing], dtype=margin.dtype, device=margin.device)
    return F.cross_entropy(scores, target.expand(len(margin), 2))


def smoothed_by_label_smoothing(margin, smoothing):
    """cross_entropy spreads its smoothing over both classes, so twice as much is asked of it."""
    scores = torch.stack([margin, torch.zeros_like(margin)], dim=1)
    first = torch.zeros(len(margin), dtype=torch.long, device=margin.device)
    return F.cross_entropy(scores, first, label_smoothing=2 * smoothing)


def smoothed_by_log_softmax(margin, smoothing):
    logs = torch.stack([torch.zeros_like(margin), -margin]).log_softmax(dim=0)
    kept, flipped = logs.unbind()
    return -(kept * (1 - smoothing) + flipped * smoothing).mean()


def smoothed_pair_by_pair(margin, smoothing):
    terms = [(1 - smoothing) * F.softplus(-d) + smoothing * F.softplus(d) for d in margin]
    return torch.stack(terms).sum() / len(terms)


SMOOTHED = {
    "label_smoothing": smoothed_by_label_smoothing,
    "log_softmax": smoothed_by_log_softmax,
    "pair by pair": smoothed_pair_by_pair,
    "logaddexp": lambda d, s: (torch.logaddexp(torch.zeros_like(d), -d) + s * d).mean(),
    "two logsigmoids": lambda d, s: -((1 - s) * F.logsigmoid(d) + s * F.logsigmoid(-d)).mean(),
    "softplus": lambda d, s: (F.softplus(-d) + s * d).mean(),
    "with logits": lambda d, s: F.binary_cross_entropy_with_logits(d, torch.full_like(d, 1 - s)),
    "two classes": smoothed_by_cross_entropy,
    "two means": lambda d, s: (1 - s) * F.softplus(-d).mean() + s * F.softplus(d).sum() / len(d),
    "the package's": st.smoothed_bt_loss,
}


def corrected_by_logsumexp(margin, flip_rate):
    logs = torch.stack([F.logsigmoid(margin), F.logsigmoid(-margin)])
    weights = torch.tensor([[1 - flip_rate], [flip_rate]], dtype=margin.dtype, device=margin.device).log()
    return -torch.logsumexp(logs + weights, dim=0).mean()


def corrected_with_a_branch(margin, flip_rate):
    if flip_rate == 0:
        return F.softplus(-margin).mean()
    return -torch.log(flip_rate + (1 - 2 * flip_rate) * torch.sigmoid(margin)).mean()


def corrected_with_math_log(margin, flip_rate):
    kept = math.log(1 - flip_rate) + F.logsigmoid(margin)
    if flip_rate == 0:
        return -kept.mean()
    return -torch.logaddexp(kept, math.log(flip_rate) + F.logsigmoid(-margin)).mean()


def corrected_pair_by_pair(margin, flip_rate):
    return sum(st.flip_corrected_loss(d[None], flip_rate) for d in margin) / len(margin)


def corrected_by_log_softmax(margin, flip_rate):
    logs = torch.stack([margin, torch.zeros_like(margin)], dim=-1).log_softmax(dim=-1)
    weights = torch.tensor([1 - flip_rate, flip_rate], dtype=margin.dtype, device=margin.device)
    return -(logs + weights.log()).logsumexp(dim=-1).mean()


def corrected_by_softplus(margin, flip_rate):
    """-log[(1 - e) exp(d) + e] + log[exp(d) + 1]."""
    rate = torch.full_like(margin, flip_rate)
    return (F.softplus(margin) - torch.logaddexp(torch.log1p(-rate) + margin, rate.log())).mean()


def corrected_in_float64(margin, flip_rate):
    d = margin.double()
    kept, flipped = F.logsigmoid(d) + math.log1p(-flip_rate), F.logsigmoid(-d)
    return -torch.logaddexp(kept, flipped + (math.log(flip_rate) if flip_rate else -math.inf)).mean()


CORRECTED = {
    "log_softmax": corrected_by_log_softmax,
    "softplus": corrected_by_softplus,
    "in float64": corrected_in_float64,
    "logsumexp": corrected_by_logsumexp,
    "a branch for rate 0": corrected_with_a_branch,
    "math.log": corrected_with_math_log,
    "pair by pair": corrected_pair_by_pair,
    "the package's": st.flip_corrected_loss,
}


def davidson_by_hand(i, j, log_nu, outcome):
    tie = log_nu + 0.5 * (i + j)
    total = torch.logsumexp(torch.stack([i, j, tie]), dim=0)
    score = torch.where(outcome == 0, i, torch.where(outcome == 1, j, tie))
    return (total - score).mean()


def davidson_by_differences(i, j, log_nu, outcome):
    half = (i - j) / 2
    scores = torch.stack([half, -half, log_nu.expand_as(half)], dim=-1)
    return -torch.log_softmax(scores, dim=-1)[torch.arange(len(i)), outcome].mean()


def davidson_group_by_group(i, j, log_nu, outcome):
    logs = F.log_softmax(torch.stack([i, j, log_nu + (i + j) / 2], dim=1), dim=1)
    return -sum(logs[outcome == k, k].sum() for k in range(3)) / len(outcome)


def davidson_by_gather(i, j, log_nu, outcome):
    scores = torch.stack([i, j, log_nu + (i + j) / 2], dim=-1)
    return (scores.logsumexp(dim=-1) - scores.gather(1, outcome[:, None]).squeeze(1)).mean()


def davidson_by_one_hot(i, j, log_nu, outcome):
    scores = torch.cat([i[:, None], j[:, None], (log_nu + (i + j) / 2)[:, None]], dim=1)
    return -(scores.log_softmax(1) * F.one_hot(outcome, 3)).sum() / len(outcome)


def davidson_pair_by_pair(i, j, log_nu, outcome):
    terms = []
    for a, b, o in zip(i, j, outcome.tolist(), strict=True):
        scores = torch.stack([a, b, log_nu + (a + b) / 2])
        terms.append(torch.logsumexp(scores, 0) - scores[o])
    return torch.stack(terms).mean()


DAVIDSON = {
    "gather": davidson_by_gather,
    "one-hot": davidson_by_one_hot,
    "pair by pair": davidson_pair_by_pair,
    "cross entropy": lambda i, j, nu, o: F.cross_entropy(torch.stack([i, j, nu + (i + j) / 2], 1), o),
    "by hand": davidson_by_hand,
    "by differences": davidson_by_differences,
    "group by group": davidson_group_by_group,
    "the package's": st.davidson_nll,
}


def calibration_with_numpy(probabilities, outcomes, bins):
    p, y = probabilities.cpu().numpy().astype(float), outcomes.cpu().numpy()
    index = np.minimum((p * bins).astype(int), bins - 1)
    curve = [[p[index == k].mean(), y[index == k].mean(), np.sum(index == k)] for k in np.unique(index)]
    ece = sum(n * abs(m - r) for m, r, n in curve) / len(p)
    return {"curve": curve, "brier": np.mean((p - y) ** 2), "ece": ece, "extra": "ignored"}


def calibration_pair_by_pair(probabilities, outcomes, bins):
    groups = {}
    for p, y in zip(probabilities.tolist(), outcomes.tolist(), strict=True):
        groups.setdefault(min(int(p * bins), bins - 1), []).append((p, float(y)))
    curve = []
    for _, members in sorted(groups.items()):
        p, y = zip(*members, strict=True)
        curve.append((sum(p) / len(p), sum(y) / len(y), len(p)))
    n = len(probabilities)
    return {
        "ece": sum(c / n * abs(m - r) for m, r, c in curve),
        "brier": sum((p - y) ** 2 for members in groups.values() for p, y in members) / n,
        "curve": curve,
    }


def calibration_with_bincount(probabilities, outcomes, bins):
    y = outcomes.to(probabilities.dtype)
    edges = torch.linspace(0, 1, bins + 1, device=y.device, dtype=y.dtype)
    index = torch.bucketize(probabilities, edges[1:-1].contiguous(), right=True)
    count = torch.bincount(index, minlength=bins)
    mean = torch.bincount(index, probabilities, minlength=bins) / count
    rate = torch.bincount(index, y, minlength=bins) / count
    full = count > 0
    ece = ((mean - rate).abs()[full] * count[full]).sum() / len(y)
    curve = torch.stack([mean, rate, count.to(y.dtype)], dim=1)[full]
    return {"ece": ece, "brier": F.mse_loss(probabilities, y), "curve": curve}


def calibration_with_scatter(probabilities, outcomes, bins):
    p, y = probabilities.double(), outcomes.double()
    index = (probabilities * bins).floor().long().clamp(0, bins - 1)
    sums = torch.zeros(3, bins, dtype=torch.float64, device=p.device)
    for row, values in enumerate((p, y, torch.ones_like(p))):
        sums[row].scatter_add_(0, index, values)
    curve = [(a / n, b / n, int(n)) for a, b, n in sums.T.tolist() if n]
    return {
        "ece": sum(n * abs(a - b) for a, b, n in curve) / len(p),
        "brier": torch.var(p - y, unbiased=False) + (p - y).mean() ** 2,
        "curve": curve,
    }


def calibration_sorted_first(probabilities, outcomes, bins):
    order = probabilities.argsort()
    p, y = probabilities[order].double(), outcomes[order].double()
    index = (probabilities[order] * bins).long().clamp(max=bins - 1)
    _, counts = index.unique_consecutive(return_counts=True)
    groups = list(zip(p.split(counts.tolist()), y.split(counts.tolist()), strict=True))
    curve = [[a.mean(), b.mean(), len(a)] for a, b in groups]
    ece = sum(torch.abs((a - b).sum()) for a, b in groups) / len(p)
    return {"curve": tuple(curve), "ece": ece, "brier": torch.dist(p, y) ** 2 / len(p)}


Report = collections.namedtuple("Report", "mean rate count")


def calibration_of_namedtuples(probabilities, outcomes, bins):
    report = st.calibration(probabilities, outcomes, bins)
    return {**report, "curve": [Report(*point) for point in report["curve"]]}


CALIBRATIONS = {
    "scatter": calibration_with_scatter,
    "sorted first": calibration_sorted_first,
    "namedtuples": calibration_of_namedtuples,
    "numpy": calibration_with_numpy,
    "pair by pair": calibration_pair_by_pair,
    "bincount": calibration_with_bincount,
    "the package's": st.calibration,
}


def cures_by(fit):
    """The comparison around a way to fit: (signed differences, loss) -> weights."""

    def compare_cures(difference, labels, held_out, p, flip_rate):
        signed = difference.double() * (2 * labels.double() - 1)[:, None]
        true, result = torch.log(p / (1 - p)), {}
        losses = {
            "plain": lambda m: -F.logsigmoid(m).mean(),
            "smoothed": lambda m: -((1 - flip_rate) * F.logsigmoid(m) + flip_rate * F.logsigmoid(-m)).mean(),
            "corrected": lambda m: (
                -torch.log((1 - flip_rate) * torch.sigmoid(m) + flip_rate * torch.sigmoid(-m)).mean()
            ),
        }
        for name, loss in losses.items():
            margin = held_out.double() @ fit(signed, loss)
            right = p * (margin > 0) + (1 - p) * (margin <= 0)
            result[name] = [(margin @ true / (true @ true)), right.mean()]
        return result

    return compare_cures


def fit_by_lbfgs(signed, loss):
    weights = torch.zeros(signed.shape[1], dtype=signed.dtype, device=signed.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def objective():
        optimizer.zero_grad()
        value = loss(signed @ weights)
        value.backward()
        return value

    optimizer.step(objective)
    return weights.detach()


def fit_by_adam(signed, loss):
    layer = torch.nn.Linear(signed.shape[1], 1, bias=False, dtype=signed.dtype, device=signed.device)
    torch.nn.init.zeros_(layer.weight)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        loss(layer(signed).squeeze(1)).backward()
        optimizer.step()
    return layer.weight.detach()[0]


def fit_by_descent(signed, loss):
    weights = signed.new_zeros(signed.shape[1])
    for _ in range(600):
        weights.requires_grad_()
        (slope,) = torch.autograd.grad(loss(signed @ weights), weights)
        weights = (weights - 2 * slope).detach()
    return weights


def fit_by_momentum_in_float32(signed, loss):
    weights = torch.zeros(signed.shape[1], device=signed.device, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.5, momentum=0.9)
    for _ in range(300):
        value = loss(signed.float() @ weights)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return weights.detach().double()


def fit_by_scipy(signed, loss):
    def value_and_slope(w):
        weights = torch.tensor(w, device=signed.device, requires_grad=True)
        value = loss(signed @ weights)
        (slope,) = torch.autograd.grad(value, weights)
        return value.item(), slope.cpu().numpy()

    found = scipy.optimize.minimize(value_and_slope, np.zeros(signed.shape[1]), jac=True, method="BFGS")
    return torch.tensor(found.x, device=signed.device)


def asked_in_the_first_step(model, optimizer, first, second, people, steps):
    losses, preferred = [], None
    for step in range(steps):
        if step == 0:
            preferred = people()
        margin = model(first) - model(second)
        loss = -F.logsigmoid(torch.where(preferred, margin, -margin)).mean()
        model.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def asked_by_signs(model, optimizer, first, second, people, steps):
    sign, losses = 2 * people().float() - 1, []
    while len(losses) < steps:
        optimizer.zero_grad()
        loss = F.softplus(-sign * (model(first) - model(second))).mean()
        losses.append(loss.detach())
        loss.backward()
        optimizer.step()
    return losses


def asked_and_sorted(model, optimizer, first, second, people, steps):
    preferred = people()[:, None]
    winner, loser = torch.where(preferred, first, second), torch.where(preferred, second, first)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=False)
        loss = st.smoothed_bt_loss(model(winner) - model(loser), 0.0)
        loss.backward()
        losses += [loss.item()]
        optimizer.step()
    return tuple(losses)


def asked_with_cross_entropy(model, optimizer, first, second, people, steps):
    target, losses = people().float(), torch.zeros(steps)
    for step in range(steps):
        loss = F.binary_cross_entropy_with_logits(model(first) - model(second), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[step] = loss.item()
    return losses


def asked_with_a_closure(model, optimizer, first, second, people, steps):
    preferred = people()

    def closure():
        optimizer.zero_grad()
        margin = torch.stack([model(first), model(second)])
        loss = (torch.logsumexp(margin, dim=0) - torch.where(preferred, margin[0], margin[1])).mean()
        loss.backward()
        return loss

    return [optimizer.step(closure).item() for _ in range(steps)]


def without_clearing(model, optimizer, first, second, people, steps):
    preferred, losses = people(), []
    for _ in range(steps):
        loss = F.softplus(-torch.where(preferred, 1, -1) * (model(first) - model(second))).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


NEW_LEGITIMATE = {
    "compare_cures": {
        "the package's": packages_cures,
        "L-BFGS": cures_by(fit_by_lbfgs),
        "Adam": cures_by(fit_by_adam),
        "descent": cures_by(fit_by_descent),
        "momentum, float32": cures_by(fit_by_momentum_in_float32),
        "scipy": cures_by(fit_by_scipy),
    },
    "mended_training": {
        "in the first step": asked_in_the_first_step,
        "signs": asked_by_signs,
        "sorted texts": asked_and_sorted,
        "cross-entropy": asked_with_cross_entropy,
        "a closure": asked_with_a_closure,
    },
}


LEGITIMATE = [
    pytest.param(name, answer, id=f"{name}-{how}")
    for name, answers in {
        "noisy_labels": LABELS,
        "smoothed_bt_loss": SMOOTHED,
        "flip_corrected_loss": CORRECTED,
        "davidson_nll": DAVIDSON,
        "calibration": CALIBRATIONS,
        **NEW_LEGITIMATE,
    }.items()
    for how, answer in answers.items()
]


# Drawing 48,000 labels one at a time takes a second for each seed.
SLOW = {
    labels_element_by_element: 1,
    NEW_LEGITIMATE["compare_cures"]["Adam"]: 3,
    NEW_LEGITIMATE["compare_cures"]["momentum, float32"]: 3,
    NEW_LEGITIMATE["compare_cures"]["descent"]: 3,
}


# Mistakes that the checks know by name

KNOWN = known(
    {
        "smoothed_bt_loss": SMOOTHED_MISTAKES,
        "flip_corrected_loss": CORRECTED_MISTAKES,
        "davidson_nll": DAVIDSON_MISTAKES,
        "calibration": CALIBRATION_MISTAKES,
        "compare_cures": CURE_MISTAKES,
        "mended_training": TRAINING_MISTAKES,
    }
)


# The known mistakes of labels are laws; these are programs that follow them.
LABEL_PROGRAMS = {
    "the wrong way round": lambda p, e, g: (uniform(p, g) > p) ^ (uniform(p, g) < e),
    "never flipped": lambda p, e, g: uniform(p, g) < p,
    "The same random numbers": lambda p, e, g: ((u := uniform(p, g)) < p) ^ (u < e),
    "by a coin toss": lambda p, e, g: torch.where(uniform(p, g) < e, uniform(p, g) < 0.5, uniform(p, g) < p),
    "whenever p is above 0.5": lambda p, e, g: (p > 0.5) ^ (uniform(p, g) < e),
    "whenever p is 0.5 or more": lambda p, e, g: (p >= 0.5) ^ (uniform(p, g) < e),
    "Only True is flipped": lambda p, e, g: (uniform(p, g) < p) & (uniform(p, g) >= e),
    "Only False is flipped": lambda p, e, g: (uniform(p, g) < p) | (uniform(p, g) < e),
    "The flip decides alone": lambda p, e, g: uniform(p, g) < e,
    "seems to be a fair coin": lambda p, e, g: (uniform(p, g) < 0.5) ^ (uniform(p, g) < e),
    "twice as often": lambda p, e, g: (uniform(p, g) < p) ^ (uniform(p, g) < 2 * e),
}


def test_every_known_law_of_labels_has_a_program_here():
    assert len(LABEL_PROGRAMS) == len(LABEL_MISTAKES)


@pytest.mark.parametrize("says", LABEL_PROGRAMS)
def test_a_known_mistake_in_the_labels_is_named(says):
    report = report_on("noisy_labels", LABEL_PROGRAMS[says], "secret")
    assert report.score < report.max_score and says in str(report)
    assert any(says in said for said in LABEL_MISTAKES)


# Mistakes written as students write them: (exercise, answer, what the report must say)


def fresh_generator(p, flip_rate, generator):
    return st.noisy_labels(p, flip_rate, torch.Generator(p.device).manual_seed(0))


def seeds_again(p, flip_rate, generator):
    generator.manual_seed(0)
    return st.noisy_labels(p, flip_rate, generator)


def from_a_copy(p, flip_rate, generator):
    copy = torch.Generator(p.device)
    copy.set_state(generator.get_state())
    return st.noisy_labels(p, flip_rate, copy)


def from_its_seed(p, flip_rate, generator):
    return st.noisy_labels(p, flip_rate, torch.Generator(p.device).manual_seed(generator.initial_seed()))


def global_flips(p, flip_rate, generator):
    return (uniform(p, generator) < p) ^ (torch.rand(p.shape, device=p.device) < flip_rate)


def one_flip_for_all(p, flip_rate, generator):
    return (uniform(p, generator) < p) ^ (torch.rand(1, generator=generator, device=p.device) < flip_rate)


def one_number_a_row(p, flip_rate, generator):
    shape = (*p.shape[:1], *[1] * (p.dim() - 1))
    first, second = (torch.rand(shape, generator=generator, device=p.device) for _ in range(2))
    return (first < p) ^ (second < flip_rate)


def clamps_p_in_place(p, flip_rate, generator):
    p.mul_(1 - 2 * flip_rate).add_(flip_rate)
    return uniform(p, generator) < p


def report_with(**changes):
    return lambda p, y, bins: {**st.calibration(p, y, bins), **changes}


def keeps_empty_bins(p, y, bins):
    report = st.calibration(p, y, bins)
    full = {min(int(m * bins), bins - 1): (m, r, n) for m, r, n in report["curve"]}
    return {**report, "curve": [full.get(k, (float("nan"), float("nan"), 0)) for k in range(bins)]}


def exactly_the_expected_flips(p, flip_rate, generator):
    flipped = torch.zeros(p.numel(), dtype=torch.bool)
    places = torch.randperm(p.numel(), generator=generator)
    flipped[places[: round(p.numel() * flip_rate)]] = True
    return (uniform(p, generator) < p) ^ flipped.view(p.shape)


def seeds_the_global_generator(p, flip_rate, generator):
    torch.manual_seed(0)
    return st.noisy_labels(p, flip_rate, generator)


def with_a_kink(d):
    return F.relu(-d) + torch.log1p(torch.exp(-d.abs()))


def calibration_over_edges(p, y, bins):
    """As many libraries do it: each bin holds lo < p <= hi."""
    edges, curve = torch.linspace(0, 1, bins + 1, dtype=torch.float64), []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (p.double() > low) & (p.double() <= high)
        if inside.any():
            curve.append((p[inside].double().mean(), y[inside].double().mean(), inside.sum()))
    ece = sum(n * abs(m - h) for m, h, n in curve) / len(p)
    return {"ece": ece, "brier": (p.double() - y.double()).square().mean(), "curve": curve}


def softmax_with(change):
    def davidson_nll(i, j, log_nu, outcome):
        probabilities = torch.softmax(torch.stack([i, j, log_nu + (i + j) / 2], 1), 1)
        return F.nll_loss(torch.log(change(probabilities)), outcome)

    return davidson_nll


MISTAKES = {
    "cures: nothing returned": ("compare_cures", lambda *a: None, "is a `return` missing?"),
    "cures: scales alone": (
        "compare_cures", lambda *a: {name: found[0] for name, found in packages_cures(*a).items()}, "(scale, accuracy)"),
    "cures: other keys": (
        "compare_cures", lambda *a: {n.upper(): found for n, found in packages_cures(*a).items()}, 'keys "plain"'),
    "cures: a constant too": (
        "compare_cures",
        lambda d, y, h, p, e: packages_cures(
            torch.cat([d, torch.ones_like(d[:, :1])], 1), y, torch.cat([h, torch.ones_like(h[:, :1])], 1), p, e),
        "some cases fail"),
    "cures: always the same": (
        "compare_cures",
        lambda *a: {"plain": (0.476, 0.9), "smoothed": (0.27, 0.9), "corrected": (1.0, 0.9)},
        "some cases fail"),
    "training: no zero_grad": ("mended_training", without_clearing, "zero_grad() is missing"),
    "training: as it was": ("mended_training", experiments.colleagues_training, "still asked at every step"),
    "training: nothing returned": (
        "mended_training", lambda *a: asked_by_signs(*a) and None, "is a `return` missing?"),
    "training: the last loss": ("mended_training", lambda *a: asked_in_the_first_step(*a)[-1], "a list of"),
    "training: not trained": (
        "mended_training",
        lambda m, o, a, b, people, n: [math.log(2)] * n if people() is not None else [],
        "losses to end at"),
    "labels: exactly the expected flips": ("noisy_labels", exactly_the_expected_flips, "a fixed number"),
    "labels: global generator seeded": ("noisy_labels", seeds_the_global_generator, "torch.manual_seed"),
    "smoothed: a kink": (
        "smoothed_bt_loss", lambda d, s: ((1 - s) * with_a_kink(d) + s * with_a_kink(-d)).mean(), "have a kink there"),
    "smoothed: a floor": (
        "smoothed_bt_loss",
        lambda d, s: -((1 - s) * d.sigmoid().clamp(min=1e-11).log() + s * (-d).sigmoid().clamp(min=1e-11).log()).mean(),
        "levels off"),
    "smoothed: clamped at 300": (
        "smoothed_bt_loss", lambda d, s: st.smoothed_bt_loss(d.clamp(-300, 300), s), "levels off"),
    "corrected: small rates are 0": (
        "flip_corrected_loss", lambda d, e: st.flip_corrected_loss(d, e if e >= 0.015 else 0.0), "A small flip rate"),
    "corrected: a kink": (
        "flip_corrected_loss",
        lambda d, e: st.flip_corrected_loss(d, e) - F.softplus(-d).mean() + with_a_kink(d).mean(),
        "have a kink there"),
    "corrected: a floor": (
        "flip_corrected_loss",
        lambda d, e: -((1 - e) * d.sigmoid() + e * (-d).sigmoid()).clamp(min=1e-11).log().mean(),
        "levels off"),
    "davidson: square root of abilities": (
        "davidson_nll",
        lambda i, j, nu, o: F.cross_entropy(torch.stack([i, j, nu + torch.sqrt(i * j)], 1), o),
        "the square root of the abilities"),
    "davidson: stacked along 0": (
        "davidson_nll", lambda i, j, nu, o: F.cross_entropy(torch.stack([i, j, nu + (i + j) / 2]), o), "dim=1"),
    "davidson: a floor": ("davidson_nll", softmax_with(lambda p: p.clamp(min=1e-11)), "levels off"),
    "davidson: 1e-5 inside": ("davidson_nll", softmax_with(lambda p: p + 1e-5), "levels off"),
    "davidson: exp in float64": (
        "davidson_nll",
        lambda i, j, nu, o: F.nll_loss(torch.log((w := torch.stack(
            [i.double().exp(), j.double().exp(), (nu + (i + j) / 2).double().exp()], 1)) / w.sum(1, keepdim=True)), o),
        "several hundred"),
    "calibration: root mean square": (
        "calibration",
        lambda p, y, b: {**(r := st.calibration(p, y, b)),
                         "ece": math.sqrt(sum(n * (m - h) ** 2 for m, h, n in r["curve"]) / len(p))},
        "root mean square"),
    "calibration: (lo, hi]": ("calibration", calibration_over_edges, "a probability of 0 in none"),
    "calibration: outcomes reversed": ("calibration", lambda p, y, b: st.calibration(p, ~y, b), "reversed"),
    "calibration: count first": (
        "calibration",
        lambda p, y, b: {**(r := st.calibration(p, y, b)), "curve": [(n, m, h) for m, h, n in r["curve"]]},
        "in another order"),
    "labels: nothing returned": ("noisy_labels", lambda p, e, g: None, "is a `return` missing?"),
    "labels: floats": ("noisy_labels", lambda p, e, g: st.noisy_labels(p, e, g).float(), "bool"),
    "labels: flattened": ("noisy_labels", lambda p, e, g: st.noisy_labels(p, e, g).flatten(), "`p.shape`"),
    "labels: global generator": (
        "noisy_labels", lambda p, e, g: (torch.rand_like(p) < p) ^ (torch.rand_like(p) < e), "global generator"),
    "labels: flips from the global generator": ("noisy_labels", global_flips, "the flip does not come from it"),
    "labels: numpy": (
        "noisy_labels",
        lambda p, e, g: torch.from_numpy(np.random.rand(*p.shape) < np.asarray(p * (1 - e) + (1 - p) * e)).to(p.device),
        "global generator"),
    "labels: another generator": ("noisy_labels", fresh_generator, "does not come from it"),
    "labels: seeded anew": ("noisy_labels", seeds_again, "manual_seed"),
    "labels: a copy": ("noisy_labels", from_a_copy, "not from a copy"),
    "labels: its seed": ("noisy_labels", from_its_seed, "one made from its seed"),
    "labels: one flip for all": ("noisy_labels", one_flip_for_all, "each element of p"),
    "labels: one number a row": ("noisy_labels", one_number_a_row, "each element of p"),
    "labels: changes p": ("noisy_labels", clamps_p_in_place, "argument 1 changed"),
    "labels: hard-coded": ("noisy_labels", lambda p, e, g: p > 0.5, "some cases fail"),
    "smoothed: a float": ("smoothed_bt_loss", lambda d, s: st.smoothed_bt_loss(d, s).item(), "without .item()"),
    "smoothed: detached": ("smoothed_bt_loss", lambda d, s: st.smoothed_bt_loss(d.detach(), s), "cut off from"),
    "smoothed: one a pair": (
        "smoothed_bt_loss", lambda d, s: -(1 - s) * F.logsigmoid(d) - s * F.logsigmoid(-d), "take the mean"),
    "smoothed: nothing returned": ("smoothed_bt_loss", lambda d, s: None, "is a `return` missing?"),
    "smoothed: clamped": ("smoothed_bt_loss", lambda d, s: st.smoothed_bt_loss(d.clamp(-20, 20), s), "margins of -1,000"),
    "smoothed: the average too early": ("smoothed_bt_loss", lambda d, s: st.smoothed_bt_loss(d.mean(), s), "too early"),
    "smoothed: in place": ("smoothed_bt_loss", lambda d, s: st.smoothed_bt_loss(d.data.mul_(-1) + d, s), "argument 1"),
    "corrected: smoothed": ("flip_corrected_loss", st.smoothed_bt_loss, "which is label smoothing"),
    "corrected: as written": (
        "flip_corrected_loss",
        lambda d, e: -torch.log((1 - e) * torch.sigmoid(d) + e * torch.sigmoid(-d)).mean(),
        "At flip rate 0 and margin -1,000"),
    "corrected: log of 0": (
        "flip_corrected_loss",
        lambda d, e: -torch.logaddexp(math.log(1 - e) + F.logsigmoid(d), math.log(e) + F.logsigmoid(-d)).mean(),
        "ValueError"),
    "corrected: a float": ("flip_corrected_loss", lambda d, e: float(st.flip_corrected_loss(d, e)), "without .item()"),
    "corrected: rewrapped": (
        "flip_corrected_loss", lambda d, e: torch.tensor(st.flip_corrected_loss(d, e).item()), "cut off from"),
    "davidson: no mean": (
        "davidson_nll",
        lambda i, j, nu, o: F.cross_entropy(torch.stack([i, j, nu + (i + j) / 2], 1), o, reduction="none"),
        "take the mean"),
    "davidson: nu rewrapped": (
        "davidson_nll",
        lambda i, j, nu, o: st.davidson_nll(i, j, torch.tensor(nu.item()), o),
        "No gradient reached `log_nu`"),
    "davidson: clamped": (
        "davidson_nll",
        lambda i, j, nu, o: st.davidson_nll(i.clamp(-30, 30), j.clamp(-30, 30), nu, o),
        "several hundred"),
    "davidson: a float": ("davidson_nll", lambda i, j, nu, o: st.davidson_nll(i, j, nu, o).item(), "without .item()"),
    "davidson: nothing returned": ("davidson_nll", lambda i, j, nu, o: None, "is a `return` missing?"),
    "calibration: a tuple": ("calibration", lambda p, y, b: tuple(st.calibration(p, y, b).values()), "a dict with"),
    "calibration: a key missing": ("calibration", lambda p, y, b: {"ece": 0.1, "brier": 0.2}, "a dict with"),
    "calibration: no points": ("calibration", report_with(curve=[]), "without points"),
    "calibration: pairs as points": ("calibration", report_with(curve=[(0.1, 0.2)]), "count"),
    "calibration: NaN": ("calibration", report_with(ece=float("nan")), "ece nan"),
    "calibration: empty bins kept": ("calibration", keeps_empty_bins, "Leave empty bins out"),
    "calibration: from the top": (
        "calibration", lambda p, y, b: {**(r := st.calibration(p, y, b)), "curve": r["curve"][::-1]}, "ascend"),
    "calibration: bools subtracted": ("calibration", lambda p, y, b: {"brier": (p - y).mean()}, "RuntimeError"),
    "calibration: random": ("calibration", report_with(ece=random.random()), "some cases fail"),
}  # fmt: skip


# Mutants of the lesson's own answers that are right all the same: what was changed -> why it does not matter
EQUIVALENT = {
    "mended_training": {
        r"\.(detach|float)\(\)": "features and labels carry no gradient, and everything is float32",
        r"clamp\(-20, 20\)": "no margin and no loss comes near 20",
        r"append\(loss\)$": "a 0-dim tensor may stand for a number",
    },
    "smoothed_bt_loss": {},
    "flip_corrected_loss": {
        r"-> rate = torch\.tensor": "the rate's place and precision: it has four digits, and the device is the CPU here",
        r"rate\.(detach|float|clamp)": "a rate is a number between 0 and 1 without a gradient",
        r"(margin|kept|flipped)\.float\(\)": "the precision of float32 is enough",
        r"-margin\.clamp\(-20, 20\)": "beyond 20 the other of the two probabilities decides, but for 1e-9",
        r"logaddexp\(flipped, kept\)": "a sum",
    },
    "davidson_nll": {
        r"\.float\(\)": "the precision of float32 is enough",
        r"log_nu\.clamp": "no log_nu beyond 20 is promised: there all comparisons, or none, are ties",
        r"outcome\.(detach|clamp)": "outcomes are 0, 1 and 2",
    },
    "calibration": {
        r"happened = outcomes": "True is 1 and False is 0 in any precision",
        r"\.detach\(\)": "no gradient is asked for",
        r"\.float\(\)": "no probability is so near to an edge, and five digits are compared",
        r"(probabilities|happened|outcomes|inside|count|mean|rate)\.clamp": "none of these is beyond 20",
        r"\.mean\(\)$": "a 0-dim tensor counts as a number",
        r"-> count = inside\.sum\(\)$": "a 0-dim tensor counts as a number",
        r"-> mean, rate = .*mean\(\), happened\[inside\]\.mean\(\)\.item": "a 0-dim tensor counts as a number",
        r"happened\[inside\]\.mean\(\)\)$": "a 0-dim tensor counts as a number",
        r"-> mean, rate = \(probabilities\[inside\]\.mean": "five digits are compared",
    },
    "noisy_labels": {
        r"(preference|flipped)\.detach\(\)": "labels carry no gradient",
        r"<= (p|flip_rate)$": "a uniform number is equal to another once in 16 million draws",
        r"p\.(detach|float|clamp)": "shape, device and numbers from 0 to 1 stay as they are",
        r"generator=generator\) <": "the device is the CPU here",
    },
}


def test_half_right_answers_get_part_of_the_points():
    naive = CORRECTED_MISTAKES[next(said for said in CORRECTED_MISTAKES if said.startswith("At flip rate 0"))]
    by_case = {
        "noisy_labels": (global_flips, 1.5),
        "flip_corrected_loss": (naive, 1.5),
        "davidson_nll": (lambda i, j, nu, o: st.davidson_nll(i, j, nu.detach(), o), 0.0),
    }
    for name, (answer, points) in by_case.items():
        assert report_on(name, answer, "secret").score == points


def test_the_hand_worked_numbers_of_the_lesson_hold():
    margin = torch.tensor([2.0, -1.0])
    assert st.smoothed_bt_loss(margin, 0.1).item() == pytest.approx(0.7701, abs=5e-5)
    assert st.flip_corrected_loss(margin, 0.1).item() == pytest.approx(0.6861, abs=1e-4)
    one, zero = torch.ones(3), torch.zeros(3)
    assert st.davidson_nll(one, zero, torch.tensor(0.2), torch.arange(3)).item() == pytest.approx(
        1.1794, abs=5e-5
    )
    report = st.calibration(torch.tensor([0.1, 0.2, 0.7, 0.9]), torch.tensor([False, True, True, True]), 2)
    assert report["ece"] == pytest.approx(0.275) and report["brier"] == pytest.approx(0.1875)
    assert report["curve"] == [(pytest.approx(0.15), 0.5, 2), (pytest.approx(0.8), 1.0, 2)]


def test_the_hand_worked_numbers_of_the_comparison_and_of_the_training_hold():
    labels, p = torch.arange(100) < 74, torch.tensor([0.9], dtype=torch.float64)
    found = packages_cures(torch.ones(100, 1), labels, torch.ones(1, 1), p, 0.2)
    assert [scale for scale, _ in found.values()] == pytest.approx([0.476, 0.270, 1.0], abs=5e-4)
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    two, none = torch.ones(2, 1), torch.zeros(2, 1)
    losses = asked_by_signs(
        lambda x: model(x)[:, 0], optimizer, two, none, lambda: torch.ones(2, dtype=torch.bool), 2
    )
    assert [float(loss) for loss in losses] == pytest.approx([0.6931, 0.4741], abs=5e-5)
    assert math.log1p(math.exp(0.5)) == pytest.approx(0.9741, abs=5e-5)
