"""The checks of lesson 6 accept every legitimate way to write an answer, and name the usual mistakes."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reward_lab import rlhf
from reward_lab.lessons.lesson06 import checks as lesson06
from reward_lab.lessons.lesson06.checks.advantages import GAE_MISTAKES
from reward_lab.lessons.lesson06.checks.clipped import PPO_MISTAKES
from reward_lab.lessons.lesson06.checks.gradient import GRADIENT_MISTAKES
from reward_lab.lessons.lesson06.checks.kl import KL_MISTAKES
from reward_lab.lessons.lesson06.checks.optimum import OPTIMUM_MISTAKES
from tests.lessons.answers import SEEDS, known, reports_of

LESSON = "06_policy_gradients_ppo"

report_on = reports_of(lesson06)


# Legitimate answers


def optimum_with_logsumexp(reward, reference, beta):
    logits = torch.log(reference) + reward / beta
    return (logits - torch.logsumexp(logits, 0)).exp()


def optimum_with_a_mask(reward, reference, beta):
    result = torch.zeros_like(reference)
    there = reference > 0
    scaled = reward[there] / beta
    weights = reference[there] * torch.exp(scaled - scaled.max())
    result[there] = weights / weights.sum()
    return result


def optimum_in_float64(reward, reference, beta):
    logits = reference.double().log() + reward.double() / beta
    weights = (logits - logits.max()).exp()
    return weights / weights.sum()


def optimum_with_where(reward, reference, beta):
    logits = torch.where(reference > 0, reward / beta + reference.clamp(min=1e-38).log(), -torch.inf)
    return logits.softmax(-1)


def optimum_with_numpy(reward, reference, beta):
    with np.errstate(divide="ignore"):
        logits = np.log(reference.cpu().numpy()) + reward.cpu().numpy() / beta
    weights = np.exp(logits - logits.max())
    return torch.from_numpy(weights / weights.sum())


def gradient_in_a_loop(log_probs, rewards, baseline):
    total = 0.0
    for i in range(len(log_probs)):
        b = baseline[i] if isinstance(baseline, torch.Tensor) and baseline.dim() else baseline
        total = total - float(rewards[i] - b) * log_probs[i]
    return total / len(log_probs)


def gradient_with_no_grad(log_probs, rewards, baseline):
    with torch.no_grad():
        advantage = rewards - baseline
    return (log_probs * -advantage).sum() / advantage.numel()


def gradient_detached_one_by_one(log_probs, rewards, baseline):
    if isinstance(baseline, torch.Tensor):
        baseline = baseline.detach()
    return torch.mean((baseline - rewards.detach()) * log_probs)


def kl_as_written(log_p, log_q):
    logr = log_q - log_p
    return -logr, 0.5 * logr**2, torch.special.expm1(logr) - logr


def kl_as_a_list_in_float64(log_p, log_q):
    log_ratio = log_p.double() - log_q.double()
    return [log_ratio, log_ratio.pow(2) / 2, log_ratio + torch.expm1(-log_ratio)]


def kl_with_numpy(log_p, log_q):
    x = (log_p - log_q).cpu().numpy()
    return torch.from_numpy(x), torch.from_numpy(x * x / 2), torch.from_numpy(np.expm1(-x) + x)


def kl_through_the_ratio(log_p, log_q):
    ratio = torch.exp(log_q - log_p)  # its rounding hits both terms alike, and cancels
    return log_p - log_q, (log_p - log_q) ** 2 / 2, ratio - 1 - ratio.log()


def gae_with_a_list(rewards, values, gamma, lam):
    with torch.no_grad():
        advantages, last = [], 0.0
        for t in range(rewards.size(1) - 1, -1, -1):
            delta = rewards[:, t] + gamma * values[:, t + 1] - values[:, t]
            last = delta + gamma * lam * last
            advantages.insert(0, last)
        advantages = torch.stack(advantages, dim=1)
        return advantages, advantages + values[:, :-1]


def gae_row_by_row(rewards, values, gamma, lam):
    r, v = rewards.tolist(), values.tolist()
    rows = []
    for i in range(len(r)):
        row = [0.0] * len(r[i])
        for t in range(len(r[i])):
            row[t] = sum(
                (gamma * lam) ** (s - t) * (r[i][s] + gamma * v[i][s + 1] - v[i][s])
                for s in range(t, len(r[i]))
            )
        rows.append(row)
    advantages = torch.tensor(rows, device=rewards.device)
    return [advantages, advantages + values[:, :-1].detach()]


def gae_with_a_matrix(rewards, values, gamma, lam):
    steps = torch.arange(rewards.shape[1], device=rewards.device)
    distance = steps.unsqueeze(1) - steps  # (s, t): how far s comes after t
    weights = torch.where(distance >= 0, (gamma * lam) ** distance.clamp(min=0).to(rewards.dtype), 0.0)
    delta = rewards + gamma * values[:, 1:] - values[:, :-1]
    advantages = (delta @ weights).detach()
    return advantages, (advantages + values[:, :-1]).detach()


def ppo_with_where(new, old, advantages, clip):
    with torch.no_grad():
        a, o = advantages.clone(), old.clone()
    ratio = (new - o).exp()
    limit = torch.where(a > 0, ratio.clamp(max=1 + clip), ratio.clamp(min=1 - clip))
    return -(limit * a).mean()


def ppo_with_maximum_of_losses(new, old, advantages, clip):
    ratio = torch.exp(new - old.detach())
    advantages = advantages.detach()
    return torch.max(-advantages * ratio, -advantages * torch.clamp(ratio, 1 - clip, 1 + clip)).mean()


def ppo_flattened(new, old, advantages, clip):
    new, old, advantages = (x.reshape(-1) for x in (new, old.detach(), advantages.detach()))
    ratio = torch.exp(new - old)
    both = torch.stack([ratio * advantages, ratio.clip(1.0 - clip, 1.0 + clip) * advantages])
    return both.min(dim=0).values.sum().neg() / new.numel()


def optimum_in_logs_base_two(reward, reference, beta):
    logits = torch.log2(reference) + reward / (beta * math.log(2))
    weights = torch.exp2(logits - logits.max())
    return weights / weights.sum()


def optimum_sorted(reward, reference, beta):
    order = reward.argsort()
    result = torch.empty_like(reference)
    result[order] = torch.log_softmax(reference[order].log() + reward[order] / beta, 0).exp()
    return result


def optimum_as_a_distribution(reward, reference, beta):
    return torch.distributions.Categorical(logits=reference.log() + reward / beta).probs


def gradient_as_a_dot_product(log_probs, rewards, baseline):
    advantage = (rewards - baseline).detach()
    return -torch.dot(advantage, log_probs) / len(log_probs)


def gradient_of_a_list(log_probs, rewards, baseline):
    advantage = (rewards - baseline).tolist()
    return -sum(a * lp for a, lp in zip(advantage, log_probs, strict=True)) / len(advantage)


def kl_unbound(log_p, log_q):
    x = log_p - log_q
    return torch.stack([x, x * x / 2, torch.expm1(-x) + x], dim=-1).unbind(-1)


def kl_with_a_series_near_zero(log_p, log_q):
    x = log_p - log_q
    near = x.abs() < 1e-2
    series = x**2 / 2 - x**3 / 6 + x**4 / 24
    return x, x**2 / 2, torch.where(near, series, torch.exp(-x) - 1 + x)


def kl_element_by_element(log_p, log_q):
    rows = [
        (p - q, (p - q) ** 2 / 2, math.expm1(q - p) + p - q)
        for p, q in zip(log_p.flatten().tolist(), log_q.flatten().tolist(), strict=True)
    ]
    return [torch.tensor(k, dtype=log_p.dtype).reshape(log_p.shape) for k in zip(*rows, strict=True)]


def gae_forward_in_time(rewards, values, gamma, lam):
    values = values.detach()
    delta = rewards + gamma * values[:, 1:] - values[:, :-1]
    columns = [delta[:, -1]]
    for t in range(2, delta.shape[1] + 1):
        columns.append(delta[:, -t] + gamma * lam * columns[-1])
    advantages = torch.stack(columns[::-1], dim=1)
    return advantages, advantages + values[:, :-1]


def gae_of_returns(rewards, values, gamma, lam):
    """Sutton's form: the return is r + gamma ((1 - lam) V_next + lam G_next)."""
    values, returns = values.detach().double(), torch.zeros_like(rewards, dtype=torch.float64)
    following = values[:, -1]
    for t in range(rewards.shape[1] - 1, -1, -1):
        following = rewards[:, t] + gamma * ((1 - lam) * values[:, t + 1] + lam * following)
        returns[:, t] = following
    return returns - values[:, :-1], returns


def gae_transposed(rewards, values, gamma, lam):
    r, v = rewards.T, values.detach().T
    advantages, last = [], torch.zeros_like(r[0])
    for t in reversed(range(len(r))):
        last = r[t] + gamma * v[t + 1] - v[t] + gamma * lam * last
        advantages = [last, *advantages]
    advantages = torch.stack(advantages).T
    return advantages, advantages + v[:-1].T


def ppo_by_sides(new, old, advantages, clip):
    a = advantages.detach()
    ratio = (new - old.detach()).exp()
    flat = ((a > 0) & (ratio > 1 + clip)) | ((a < 0) & (ratio < 1 - clip))
    bound = torch.where(a > 0, 1 + clip, 1 - clip)
    return -torch.where(flat, bound * a, ratio * a).mean()


def ppo_by_relu(new, old, advantages, clip):
    a = advantages.detach()
    gain = ((new - old.detach()).exp() - 1) * a
    return -(a + gain - F.relu(gain - clip * a.abs())).mean()


def ppo_in_float64(new, old, advantages, clip):
    a, ratio = advantages.detach().double(), (new.double() - old.detach().double()).exp()
    return -torch.min(ratio * a, ratio.clip(1 - clip, 1 + clip) * a).mean().float()


LEGITIMATE = [
    pytest.param(name, answer, id=f"{name}-{getattr(answer, '__name__', number)}")
    for name, answers in {
        "kl_optimal_policy": (
            optimum_with_logsumexp, optimum_with_a_mask, optimum_in_float64, optimum_with_where, optimum_with_numpy,
            optimum_in_logs_base_two, optimum_sorted, optimum_as_a_distribution,
            lambda r, q, b: F.softmax(q.log() + r / b, dim=0), rlhf.kl_optimal_policy),
        "policy_gradient_loss": (
            gradient_as_a_dot_product, gradient_of_a_list,
            lambda lp, r, b: torch.einsum('i,i->', lp, (b - r).detach()).div(lp.numel()),
            gradient_in_a_loop, gradient_with_no_grad, gradient_detached_one_by_one,
            lambda lp, r, b: -((r - b).detach() * lp).mean(), rlhf.policy_gradient_loss),
        "kl_estimators": (kl_as_written, kl_as_a_list_in_float64, kl_with_numpy, kl_through_the_ratio,
            kl_unbound, kl_with_a_series_near_zero, kl_element_by_element, rlhf.kl_estimators),
        "gae": (gae_with_a_list, gae_row_by_row, gae_with_a_matrix, gae_forward_in_time, gae_of_returns, gae_transposed,
            rlhf.gae),
        "ppo_loss": (ppo_with_where, ppo_with_maximum_of_losses, ppo_flattened, ppo_by_sides, ppo_by_relu,
            ppo_in_float64, rlhf.ppo_loss),
    }.items()
    for number, answer in enumerate(answers)
]  # fmt: skip


# Mistakes that the checks know by name

KNOWN = known(
    {
        "kl_optimal_policy": OPTIMUM_MISTAKES,
        "policy_gradient_loss": GRADIENT_MISTAKES,
        "kl_estimators": KL_MISTAKES,
        "gae": GAE_MISTAKES,
        "ppo_loss": PPO_MISTAKES,
    }
)


KNOWN_SEEDS = SEEDS[:3]


# Mistakes written as students write them: (exercise, answer, what the report must say)


def writes_into_rewards(log_probs, rewards, baseline):
    rewards -= baseline
    return -(rewards.detach() * log_probs).mean()


def advantages_in_place(rewards, values, gamma, lam):
    rewards += gamma * values[:, 1:].detach() - values[:, :-1].detach()
    for t in reversed(range(rewards.shape[1] - 1)):
        rewards[:, t] += gamma * lam * rewards[:, t + 1]
    return rewards, rewards + values[:, :-1].detach()


def gae_by_division(rewards, values, gamma, lam):
    values = values.detach()
    delta = rewards + gamma * values[:, 1:] - values[:, :-1]
    weights = (gamma * lam) ** torch.arange(delta.shape[1], dtype=delta.dtype)
    advantages = (delta * weights).flip(1).cumsum(1).flip(1) / weights
    return advantages, advantages + values[:, :-1]


def optimum_clamped(reward, reference, beta):
    weights = reference.double() * torch.exp((reward.double() / beta).clamp(-700, 700))
    return weights / weights.sum()


def optimum_by_double_exp(reward, reference, beta):
    weights = reference.double() * torch.exp(reward.double() / beta)
    return weights / weights.sum()


def ppo_dual_clip(new, old, advantages, clip, bound=10.0):
    a, ratio = advantages.detach(), (new - old.detach()).exp()
    loss = torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a)
    return -torch.where(a < 0, torch.maximum(loss, bound * a), loss).mean()


def ppo_bounded_log_ratio(new, old, advantages, clip):
    a, ratio = advantages.detach(), (new - old.detach()).clamp(-20, 20).exp()
    return -torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a).mean()


def gae_with_gradients(rewards, values, gamma, lam):
    delta = rewards + gamma * values[:, 1:] - values[:, :-1]
    running, columns = 0.0, []
    for t in reversed(range(delta.shape[1])):
        running = delta[:, t] + gamma * lam * running
        columns.insert(0, running)
    advantages = torch.stack(columns, 1)
    return advantages, advantages + values[:, :-1]


MISTAKES = {
    "optimum: nothing returned": ("kl_optimal_policy", lambda r, q, b: None, "is a `return` missing?"),
    "optimum: a list": (
        "kl_optimal_policy", lambda r, q, b: rlhf.kl_optimal_policy(r, q, b).tolist(), "a list of 3"),
    "optimum: hard-coded": (
        "kl_optimal_policy", lambda r, q, b: torch.tensor([0.1790, 0.2919, 0.5291]), "of shape (6,)"),
    "optimum: a column": (
        "kl_optimal_policy", lambda r, q, b: rlhf.kl_optimal_policy(r, q, b)[:, None], "(3, 1)"),
    "optimum: clamped reference": (
        "kl_optimal_policy", lambda r, q, b: torch.softmax(q.clamp(min=1e-6).log() + r / b, 0), "the probability["),
    "gradient: a float": (
        "policy_gradient_loss", lambda lp, r, b: rlhf.policy_gradient_loss(lp, r, b).item(), "without .item()"),
    "gradient: cut off": (
        "policy_gradient_loss", lambda lp, r, b: rlhf.policy_gradient_loss(lp.detach(), r, b), "cut off"),
    "gradient: one loss a text": (
        "policy_gradient_loss", lambda lp, r, b: -((r - b).detach() * lp), "take the mean"),
    "gradient: in place": ("policy_gradient_loss", writes_into_rewards, "writes into one of its inputs"),
    "gradient: a baseline that must be a number": (
        "policy_gradient_loss", lambda lp, r, b: rlhf.policy_gradient_loss(lp, r, float(b)), "no exception"),
    "kl: averaged": (
        "kl_estimators", lambda p, q: tuple(k.mean() for k in rlhf.kl_estimators(p, q)), "leave the averaging"),
    "kl: one of them": ("kl_estimators", lambda p, q: rlhf.kl_estimators(p, q)[0], "(k1, k2, k3)"),
    "kl: rounded up": (
        "kl_estimators",
        lambda p, q: (*rlhf.kl_estimators(p, q)[:2], (torch.exp(q - p) - 1 + p - q).clamp(min=0)), "k3["),
    "kl: a ratio of probabilities": (
        "kl_estimators",
        lambda p, q: (p - q, (p - q) ** 2 / 2, q.exp() / p.exp() - 1 - (q - p)), "Use `torch.expm1`"),
    "gae: gradients": ("gae", gae_with_gradients, "Detach the values"),
    "gae: in place": ("gae", advantages_in_place, "writes into one of its inputs"),
    "gae: only advantages": ("gae", lambda r, v, g, lam: rlhf.gae(r, v, g, lam)[0], "(advantages, returns)"),
    "gae: a value too many": (
        "gae", lambda r, v, g, lam: (v.detach(), v.detach()), "both results (batch, T)"),
    "optimum: exp in float64": ("kl_optimal_policy", optimum_by_double_exp, "overflows"),
    "optimum: exp in float64, clamped": ("kl_optimal_policy", optimum_clamped, "a clamp changes the answer"),
    "optimum: a floor of 1e-12": (
        "kl_optimal_policy", lambda r, q, b: torch.softmax(q.clamp(min=1e-12).log() + r / b, 0), "come back to life"),
    "optimum: a floor of 1e-300": (
        "kl_optimal_policy",
        lambda r, q, b: torch.softmax(q.double().clamp(min=1e-300).log() + r.double() / b, 0), "come back to life"),
    "optimum: no sum, the maximum off": (
        "kl_optimal_policy",
        lambda r, q, b: (q.log() + r / b - (q.log() + r / b).max()).exp(), "do not sum to 1"),
    "gradient: clamped": (
        "policy_gradient_loss", lambda lp, r, b: -((r - b).detach() * lp.clamp(min=-20)).mean(), "a clamp cuts them off"),
    "kl: a clamped exponent": (
        "kl_estimators",
        lambda p, q: (p - q, (p - q) ** 2 / 2, torch.expm1((q - p).clamp(-20, 20)) + p - q), "leave the clamp out"),
    "kl: a ratio of probabilities, far out": (
        "kl_estimators", lambda p, q: (p - q, (p - q) ** 2 / 2, q.exp() / p.exp() - 1 - (q - p)), "0 / 0 is NaN"),
    "kl: a series near zero, else a ratio of probabilities": (
        "kl_estimators",
        lambda p, q: (
            p - q, (p - q) ** 2 / 2, torch.where((p - q).abs() < 0.1, (p - q) ** 2 / 2, q.exp() / p.exp() - 1 + p - q)),
        "k3["),
    "kl: stacked": ("kl_estimators", lambda p, q: torch.stack(rlhf.kl_estimators(p, q)), "not stacked into one"),
    "gae: stacked": ("gae", lambda r, v, g, lam: torch.stack(rlhf.gae(r, v, g, lam)), "not stacked into one"),
    "gae: steps first": ("gae", lambda r, v, g, lam: tuple(x.T for x in rlhf.gae(r, v, g, lam)), "with `dim=1`"),
    "gae: divided by powers": ("gae", gae_by_division, "expected advantages["),
    "gae: clamped": ("gae", lambda *a: tuple(x.clamp(-20, 20) for x in rlhf.gae(*a)), "expected advantages["),
    "ppo: dual clip": ("ppo_loss", ppo_dual_clip, "a dual clip"),
    "ppo: log-ratio between -20 and 20": ("ppo_loss", ppo_bounded_log_ratio, "Large ratios are cut off"),
    "ppo: a float": ("ppo_loss", lambda n, o, a, c: rlhf.ppo_loss(n, o, a, c).item(), "without .item()"),
    "ppo: per text": ("ppo_loss", lambda n, o, a, c: rlhf.ppo_loss(n, o, a, c).expand(3), "take the mean"),
    "ppo: new detached": ("ppo_loss", lambda n, o, a, c: rlhf.ppo_loss(n.detach(), o, a, c), "cut off"),
    "ppo: clip ignored": ("ppo_loss", lambda n, o, a, c: rlhf.ppo_loss(n, o, a, 0.2), "expected loss ="),
    "ppo: mean over rows only": (
        "ppo_loss", lambda n, o, a, c: rlhf.ppo_loss(n, o, a, c) * (n.shape[-1] if n.dim() > 1 else 1), "expected loss ="),
}  # fmt: skip


def test_half_right_answers_get_part_of_the_points():
    by_case = {
        # It overflows in two cases: far above the others a text that is never written has a reward, too.
        "kl_optimal_policy": (lambda r, q, b: (q * (r / b).exp()) / (q * (r / b).exp()).sum(), 1.0),
        "policy_gradient_loss": (lambda lp, r, b: -((r - b) * lp).mean(), 1.5),
        "kl_estimators": (lambda p, q: (p - q, (p - q) ** 2 / 2, torch.exp(q - p) - 1 - (q - p)), 1.5),
        "gae": (gae_with_gradients, 1.5),
        "ppo_loss": (
            lambda n, o, a, c: (
                -torch.minimum(
                    n.exp() / o.exp().detach() * a.detach(),
                    (n.exp() / o.exp().detach()).clamp(1 - c, 1 + c) * a.detach(),
                ).mean()
            ),
            1.5,
        ),
    }
    for name, (answer, points) in by_case.items():
        report = report_on(name, answer, "secret")
        assert report.score == points, str(report)


def test_the_hand_worked_numbers_of_the_lesson_hold():
    loss = rlhf.policy_gradient_loss(torch.tensor([-2.0, -1.0, -3.0]), torch.tensor([3.0, 1.0, 2.0]), 1.5)
    assert loss.item() == pytest.approx(1.3333, abs=5e-5)
    k1, k2, k3 = rlhf.kl_estimators(torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]).log())
    assert k1.tolist() == pytest.approx([0.6931, -0.4055], abs=5e-5)
    assert k2.tolist() == pytest.approx([0.2402, 0.0822], abs=5e-5)
    assert k3.tolist() == pytest.approx([0.1931, 0.0945], abs=5e-5)
    ratios, advantages = torch.tensor([1.5, 0.5, 1.5, 0.5]), torch.tensor([1.0, -1.0, -1.0, 1.0])
    assert rlhf.ppo_loss(ratios.log(), torch.zeros(4), advantages, 0.2).item() == pytest.approx(0.15)
    assert 0.5 + 0.3 * math.e + 0.2 * math.e**2 == pytest.approx(2.793, abs=5e-4)


# The real grader


# Mutants of the lesson's own answers that are right all the same

EQUIVALENT = {
    "kl_optimal_policy": {
        r"dim=-1": "there is one dimension",
        r"\.(detach|float)\(\)": "no gradient is asked for, and float32 is precise enough",
        r"reference\.clamp": "a probability is below 20",
    },
    "kl_estimators": {r"\.(detach|float)\(\)": "no gradient is asked for, and float32 is precise enough"},
    "policy_gradient_loss": {
        r"rewards\.detach\(\)|advantage\.detach\(\)": "the advantage is detached as a whole",
        r"\.float\(\)": "float32 is precise enough",
    },
    "gae": {
        r"\.(detach|float)\(\)": "values are detached first, and float32 is precise enough",
        r"-> advantages = delta$": "every entry is written before it is read",
        r"zeros_like\(delta(\.clamp\(-20, 20\))?(\[:, (0|-1)\])?\)$": "only the shape counts",
        r"range\(delta\.clamp\(-20, 20\)\.shape": "only the shape counts",
    },
    "ppo_loss": {
        r"(advantages|old_log_probs)(\.detach\(\))?\.detach\(\)": "detached once or twice",
        r"\.float\(\)": "float32 is precise enough",
        r"minimum\(clipped \* advantages, ratio": "the smaller of two, in either order",
        r"ratio\.clamp\(-20, 20\)\.clamp|clipped\.clamp": "clipped ratios lie within 1 - clip and 1 + clip",
    },
}
