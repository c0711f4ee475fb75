"""The formulas of policy optimisation: policy gradient, KL estimators, advantages, PPO's objective, the optimum."""

import math

import torch
from torch import Tensor


def policy_gradient_loss(log_probs: Tensor, rewards: Tensor, baseline: Tensor | float) -> Tensor:
    """The loss whose gradient is the REINFORCE estimate of the policy gradient, with its sign turned.

    mean over samples of -(reward - baseline) * log_prob, after Williams, "Simple statistical gradient-following
    algorithms for connectionist reinforcement learning" (1992). Only its gradient means anything, not its value.

    Args:
        log_probs: (batch,) log-probability of each sampled text under the policy; carries the gradient.
        rewards: (batch,) of the same dtype. No gradient goes through them.
        baseline: a number, a 0-dim tensor or one number a sample, (batch,). No gradient goes through it.

    Returns:
        A scalar tensor.

    Raises:
        ValueError: the shapes differ. They would broadcast, and pair texts with other texts' rewards.
    """
    shapes = [tuple(x.shape) for x in (log_probs, rewards)]
    baseline = torch.as_tensor(baseline, dtype=rewards.dtype, device=rewards.device)
    if (
        log_probs.dim() != 1
        or rewards.shape != log_probs.shape
        or tuple(baseline.shape) not in ((), shapes[0])
    ):
        raise ValueError(
            "policy_gradient_loss: expected log_probs and rewards of shape (batch,) and a baseline that is one "
            f"number or (batch,), got {shapes[0]}, {shapes[1]} and {tuple(baseline.shape)}"
        )
    return -((rewards - baseline).detach() * log_probs).mean()


def kl_estimators(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three estimates of KL(p || q) from each sample of p (Schulman, "Approximating KL divergence", 2020).

    With the log-ratio l = log p - log q: k1 = l, k2 = l^2 / 2, k3 = exp(-l) - 1 + l. k1 and k3 have the right mean; k3 is
    never negative. All are per sample: average them for an estimate.

    Args:
        log_p: log-probability of each sample, drawn from p, under p; any shape, floating point.
        log_q: of the same shape, under q.

    Returns:
        k1, k2, k3, each of the inputs' shape, in nats.

    Raises:
        ValueError: the shapes differ.
    """
    if log_p.shape != log_q.shape:
        raise ValueError(
            f"kl_estimators: both must have the same shape, got {tuple(log_p.shape)} and {tuple(log_q.shape)}"
        )
    log_ratio = log_p - log_q
    # expm1, and not exp() - 1: near 0 the difference of two numbers close to 1 has no correct digit left.
    return log_ratio, log_ratio.square() / 2, torch.expm1(-log_ratio) + log_ratio


@torch.no_grad()
def gae(rewards: Tensor, values: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al., 2016, equation 16).

    delta_t = r_t + gamma V_{t+1} - V_t, and A_t = delta_t + gamma lam A_{t+1} with A_T = 0.

    Args:
        rewards: (batch, T) floating point, T >= 1: what each step earned.
        values: (batch, T + 1): the critic's estimate before each step, and after the last one (0 where texts end).
        gamma: discount, 0 to 1.
        lam: 0 trusts the critic (one-step error), 1 trusts the rewards (all of what follows).

    Returns:
        Advantages, and returns (advantages plus the values before each step: the critic's targets), each (batch, T).
        Neither carries gradients.

    Raises:
        ValueError: the shapes don't fit.
    """
    if rewards.dim() != 2 or values.shape != (len(rewards), rewards.shape[1] + 1):
        raise ValueError(
            "gae: expected rewards of shape (batch, T) and values of shape (batch, T + 1), got "
            f"{tuple(rewards.shape)} and {tuple(values.shape)}"
        )
    deltas = rewards + gamma * values[:, 1:] - values[:, :-1]  # (batch, T)
    advantages = torch.zeros_like(deltas)
    advantage = torch.zeros_like(deltas[:, 0])  # (batch,)
    for step in reversed(range(deltas.shape[1])):
        advantage = deltas[:, step] + gamma * lam * advantage
        advantages[:, step] = advantage
    return advantages, advantages + values[:, :-1]


def ppo_loss(new_log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """PPO's clipped objective with its sign turned, so that it can be minimised.

    mean over elements of -min(ratio * A, clamp(ratio, 1 - clip, 1 + clip) * A), with ratio = exp(new - old)
    (Schulman et al., "Proximal policy optimization algorithms", 2017, equation 7).

    Args:
        new_log_probs: under the policy that is being trained; any shape; carries the gradient.
        old_log_probs: of the same shape, under the policy that drew the samples. No gradient goes through them.
        advantages: of the same shape. No gradient goes through them.
        clip: how far the ratio may count, above 0; usually 0.2.

    Returns:
        A scalar tensor.

    Raises:
        ValueError: the shapes differ.
    """
    if not new_log_probs.shape == old_log_probs.shape == advantages.shape:
        raise ValueError(
            "ppo_loss: all three tensors must have the same shape, got "
            f"{tuple(new_log_probs.shape)}, {tuple(old_log_probs.shape)} and {tuple(advantages.shape)}"
        )
    advantages = advantages.detach()
    log_ratio = new_log_probs - old_log_probs.detach()
    # Above the band a good word's objective is flat. Its ratio is kept from overflowing there: 0 times infinity, in the
    # product or in the gradient of exp, is NaN.
    bounded = log_ratio.clamp(max=math.log1p(clip) + 1.0)
    ratio = torch.where(advantages >= 0, bounded, log_ratio).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


def kl_optimal_policy(reward: Tensor, reference: Tensor, beta: float) -> Tensor:
    """The policy that maximises E_p[reward] - beta KL(p || reference): p proportional to reference * exp(reward / beta).

    Closed form: Ziebart et al., "Maximum entropy inverse reinforcement learning" (2008); for language models, Korbak et al.,
    "RL with KL penalties is better viewed as Bayesian inference" (2022).

    Args:
        reward: (n,) floating point, of any size: nothing overflows.
        reference: (n,) probabilities of the reference policy. An entry of 0 stays 0.
        beta: price of a nat of KL, above 0.

    Returns:
        (n,) probabilities, in the inputs' dtype.

    Raises:
        ValueError: the shapes differ, or beta is not above 0.
    """
    if reward.shape != reference.shape or reward.dim() != 1:
        raise ValueError(
            f"kl_optimal_policy: expected two tensors of shape (n,), got {tuple(reward.shape)} and {tuple(reference.shape)}"
        )
    if not beta > 0:
        raise ValueError(f"kl_optimal_policy: beta must be above 0, got {beta}")
    # The logarithm of a 0 is -inf, and softmax, which takes the largest entry off first, gives it 0 back.
    return torch.softmax(reference.log() + reward / beta, dim=0)
