"""The experiments of lesson 7: proxies, curves of over-optimisation, fresh comparisons, a colleague's choice."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reward_lab.lessons.starting import attempt as attempt
from reward_lab.metrics import Pairs
from reward_lab.rlhf import (
    Known,
    RLHistory,
    World,
    best_of_n_path,
    fit_rewards,
    kl_divergence,
    kl_optimal_policy,
)

DRAWS = tuple(2**k for k in range(21))
"""The n of every sweep: 1, 2, 4, ..., 1,048,576."""
NUM_HELD_OUT = 1000
POWER, ONE_SIDED = 0.8416, 1.6449
"""Normal quantiles of 80 % power and of a one-sided test at 5 %."""


@dataclass
class Curve:
    """What a proxy was pushed to, step by step: exact values. `n` is empty where the steps are no best-of-n."""

    kl: list[float] = field(default_factory=list)
    learnt: list[float] = field(default_factory=list)
    gold: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)
    n: list[int] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """The step at which gold is highest."""
        return max(range(len(self.gold)), key=self.gold.__getitem__)


def preferences(world: World, seed: int, count: int) -> Pairs:
    """Pairs of texts of the reference, each judged once. Seeds below a million are for training."""
    return world.sample_preferences(count, torch.Generator().manual_seed(seed))


def fit_on(known: Known, train: Pairs, seed: int) -> tuple[Tensor, float]:
    """A reward model trained on these pairs: reward of every text, and accuracy on held-out pairs of the reference."""
    held_out = preferences(known.world, 1_000_000 + seed, NUM_HELD_OUT)
    rewards, history = fit_rewards(known.world, train, held_out, seed, device=known.gold.device)
    return rewards, history.held_out_accuracy[-1]


def bootstrap_members(known: Known, train: Pairs, members: int, seed: int) -> Tensor:
    """Reward models that each see the pairs drawn anew with replacement: (members, size) float64."""
    draw, rewards = torch.Generator().manual_seed(seed), []
    for member in range(members):
        rows = torch.randint(len(train[0]), (len(train[0]),), generator=draw)
        rewards.append(fit_on(known, (train[0][rows], train[1][rows]), 100 * seed + member)[0])
    return torch.stack(rewards)


def curve(known: Known, reward: Tensor, policies: Iterable[Tensor], second: Tensor | None = None) -> Curve:
    """Exact values of each of these distributions over all texts, (size,) each."""
    found = Curve()
    for policy in policies:
        found.kl.append(kl_divergence(policy.log(), known.log_reference))
        found.learnt.append((policy * reward).sum().item())
        found.gold.append((policy * known.gold).sum().item())
        if second is not None:
            found.second.append((policy * second).sum().item())
    return found


def best_of_n_curve(
    known: Known, reward: Tensor, second: Tensor | None = None, ns: Sequence[int] = DRAWS
) -> Curve:
    """Exact values of best-of-n by `reward`, and what a second reward model says of it."""
    found = curve(known, reward, best_of_n_path(known.reference, reward, ns), second)
    found.n = list(ns)
    return found


def optimum_curve(known: Known, reward: Tensor, steps: int = 30) -> Curve:
    """Exact values of the KL-regularised optimum, while beta falls from 50 to 0.06."""
    betas = torch.logspace(math.log10(50), math.log10(0.06), steps, dtype=torch.float64).tolist()
    return curve(known, reward, (kl_optimal_policy(reward, known.reference, beta) for beta in betas))


def optimum_at(known: Known, reward: Tensor, kl: float) -> Curve:
    """The KL-regularised optimum whose KL is this: beta is found by halving its logarithm's interval 25 times."""
    low, high = 0.02, 50.0
    for _ in range(25):
        beta = math.sqrt(low * high)
        found = kl_divergence(kl_optimal_policy(reward, known.reference, beta).log(), known.log_reference)
        low, high = (beta, high) if found > kl else (low, beta)
    return curve(known, reward, [kl_optimal_policy(reward, known.reference, beta)])


def curve_of_run(history: RLHistory) -> Curve:
    """A training run's exact trace."""
    return Curve(history.kl, history.reward, history.gold)


def draw_texts(known: Known, policy: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Texts of a distribution over all texts: (count, length) int64 on the CPU, where `generator` is."""
    numbers = torch.multinomial(policy.cpu(), count, replacement=True, generator=generator)
    return known.world.token_ids(numbers)


def judged_pairs(known: Known, policy: Tensor, count: int, seed: int) -> Pairs:
    """Texts of a policy against texts of the reference, each pair judged once: preferred and rejected token ids."""
    draw = torch.Generator().manual_seed(seed)
    first = draw_texts(known, policy, count, draw)
    return known.world.judged(first, known.world.sample_reference(count, draw), draw)


def fresh_comparisons(known: Known, first: Tensor, second: Tensor, count: int, seed: int) -> int:
    """How often texts of the first distribution win against texts of the second, in so many fresh judgements."""
    draw = torch.Generator().manual_seed(seed)
    texts = [draw_texts(known, policy, count, draw) for policy in (first, second)]
    return int(known.world.judge(*texts, draw).sum())


def comparisons_needed(probability: float) -> int:
    """Comparisons for 80 % power of a one-sided test at 5 % that this exceeds 1/2 (normal approximation)."""
    spread = ONE_SIDED * 0.5 + POWER * math.sqrt(probability * (1 - probability))
    return math.ceil((spread / (probability - 0.5)) ** 2)


def colleagues_choice(
    ns: Sequence[int], second_score: Sequence[float], wins: Sequence[float], comparisons: Sequence[int]
) -> int:
    """A colleague's version of choose_n. Section 6 of lesson 7 asks what is wrong with it."""
    best = max(range(len(ns)), key=lambda i: second_score[i])
    return ns[best]
