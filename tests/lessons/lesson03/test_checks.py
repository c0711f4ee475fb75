"""The checks of lesson 3 accept every legitimate way to write an answer, and name the usual mistakes."""

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from grader.demo_class import correct, right_answers
from grader.gradebook import pristine_lessons
from grader.grading import grade_files
from grader.sandbox import sandbox_problem
from grader.settings import Settings
from reward_lab import statistics as st
from reward_lab.lessons.lesson03 import checks as lesson03
from reward_lab.lessons.lesson03.checks.calibrated import CALIBRATION_MISTAKES
from reward_lab.lessons.lesson03.checks.corrected import CORRECTED_MISTAKES
from reward_lab.lessons.lesson03.checks.davidson import DAVIDSON_MISTAKES
from reward_lab.lessons.lesson03.checks.labels import LABEL_MISTAKES
from reward_lab.lessons.lesson03.checks.smoothed import SMOOTHED_MISTAKES
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


LABELS = {
    "two draws": lambda p, e, g: (uniform(p, g) < p) ^ (uniform(p, g) < e),
    "one draw": lambda p, e, g: uniform(p, g) < p * (1 - e) + (1 - p) * e,
    "flips first": lambda p, e, g: (uniform(p, g) < e) != (uniform(p, g) < p),
    "bernoulli": labels_by_bernoulli,
    "both at once": labels_by_two_rows,
    "in float64": lambda p, e, g: (
        torch.rand(p.shape, generator=g, device=p.device, dtype=torch.float64) >= 1 - p.double()
    ) ^ (uniform(p, g) < e),
    "the package's": st.noisy_labels,
}  # fmt: skip


def smoothed_by_cross_entropy(margin, smoothing):
    scores = torch.stack([margin, torch.zeros_like(margin)], dim=1)
    target = torch.tensor([1 - smoothing, smoothing], dtype=margin.dtype, device=margin.device)
    return F.cross_entropy(scores, target.expand(len(margin), 2))


SMOOTHED = {
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


CORRECTED = {
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


DAVIDSON = {
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


CALIBRATIONS = {
    "numpy": calibration_with_numpy,
    "pair by pair": calibration_pair_by_pair,
    "bincount": calibration_with_bincount,
    "the package's": st.calibration,
}
LEGITIMATE = [
    pytest.param(name, answer, id=f"{name}-{how}")
    for name, answers in {
        "noisy_labels": LABELS,
        "smoothed_bt_loss": SMOOTHED,
        "flip_corrected_loss": CORRECTED,
        "davidson_nll": DAVIDSON,
        "calibration": CALIBRATIONS,
    }.items()
    for how, answer in answers.items()
]


def test_labels_drawn_one_at_a_time_get_full_marks():
    report = report_on("noisy_labels", labels_element_by_element)
    assert report.score == report.max_score, str(report)


# Drawing 48,000 labels one at a time takes a second for each seed.
FEW_SEEDS = {labels_element_by_element: 1}


# Mistakes that the checks know by name

KNOWN = [
    pytest.param(*row, id=f"{row[0]}-{number}")
    for *row, number in known(
        {
            "smoothed_bt_loss": SMOOTHED_MISTAKES,
            "flip_corrected_loss": CORRECTED_MISTAKES,
            "davidson_nll": DAVIDSON_MISTAKES,
            "calibration": CALIBRATION_MISTAKES,
        }
    )
]


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


MISTAKES = {
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


WRONG = [pytest.param(*mistake, id=what) for what, mistake in MISTAKES.items()]


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


@pytest.mark.slow
@pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}")
def test_the_answers_of_the_lesson_get_full_points_in_the_sandbox_and_wrong_ones_their_message(
    course, tmp_path
):
    pristine, answers = pristine_lessons(course)[NAME], right_answers(NAME)
    swapped = answers["davidson_nll"].replace("[ability_i, ability_j, tie]", "[ability_j, ability_i, tie]")
    global_labels = answers["noisy_labels"].replace("generator=generator, ", "")
    wrong = {**answers, "davidson_nll": swapped, "noisy_labels": global_labels}
    files = []
    for name, given in (("right", answers), ("wrong", wrong)):
        files.append(tmp_path / f"{name}.ipynb")
        files[-1].write_text(correct(pristine, given))
    right, wrong = grade_files(files, Settings("secret"))
    assert right.status == "graded" and right.score == right.max_score == 10, right
    assert right.manual_max == 6
    points = {check.grade_id: check for check in wrong.checks}
    assert points["check_davidson_nll"].score < 2 and "swapped" in points["check_davidson_nll"].message
    assert "global generator" in points["check_noisy_labels"].message
    assert sum(check.score == 2 for check in wrong.checks) == 3
