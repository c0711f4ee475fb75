"""TODO 1: the reward behind a policy."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import Outcome, expect_like, normal, numbers_of
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.dpo import implicit_reward as right_reward

implicit_reward = Exercise(
    "implicit_reward",
    first_step="Solve the formula of the best policy for the reward, and then think about the constant that is left.",
)

Reward = Callable[[Tensor, Tensor, float], Tensor]


def _shifted(values: Tensor, weights: Tensor) -> Tensor:
    return values - (values * weights).sum()


REWARD_MISTAKES: dict[str, Reward | list[Reward]] = {
    "The ratio is upside down: it is policy over reference.": lambda p, q, b: (
        right_reward(q, p, b) - (right_reward(q, p, b) * q).sum()
    ),
    "beta is missing.": lambda p, q, b: right_reward(p, q, 1.0),
    "The logarithm is divided by beta. Multiply: a dear nat that is spent all the same shows a large reward.": (
        lambda p, q, b: right_reward(p, q, 1 / b)
    ),
    "The constant is not taken off. Shift to mean 0 under the reference.": lambda p, q, b: b * (p / q).log(),
    "The mean is taken under the policy. Weigh with `reference`.": lambda p, q, b: _shifted(
        b * (p / q).log(), p
    ),
    "The plain mean is taken off. Texts are not equally likely: weigh with `reference`.": lambda p, q, b: (
        b * (p / q).log() - (b * (p / q).log()).mean()
    ),
    "This sets the smallest reward to 0. The mean under the reference is to be 0.": lambda p, q, b: (
        b * (p / q).log() - (b * (p / q).log()).min()
    ),
    "This sets the largest reward to 0. The mean under the reference is to be 0.": lambda p, q, b: (
        b * (p / q).log() - (b * (p / q).log()).max()
    ),
    "This is the ratio without its logarithm.": lambda p, q, b: _shifted(b * p / q, q),
    "The logarithm of the reference is left out: what the reference likes anyway counts as reward.": (
        lambda p, q, b: _shifted(b * p.log(), q)
    ),
    "This is a distribution. Rewards are asked for: no softmax.": lambda p, q, b: torch.softmax(
        right_reward(p, q, b), dim=0
    ),
    "The logarithm has base 2. Nats need the natural one.": lambda p, q, b: _shifted(b * (p / q).log2(), q),
    "A small number inside the logarithms changes the reward of rare texts.": [
        lambda p, q, b, e=e: _shifted(b * ((p + e).log() - (q + e).log()), q)
        for e in (1e-6, 1e-8, 1e-10, 1e-12)
    ],
    "The mean is added. Subtract it.": lambda p, q, b: b * (p / q).log() + (q * b * (p / q).log()).sum(),
    "The mean of log-ratios is taken off before they are multiplied by beta, and once more after.": (
        lambda p, q, b: b * _shifted((p / q).log(), q) - (q * (p / q).log()).sum()
    ),
}


def _read(value: object, arguments: tuple) -> Outcome:
    return {"the reward": numbers_of(value, tuple(arguments[0].shape), "the result")}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_reward, REWARD_MISTAKES, calls, _read, rtol=1e-5, atol=1e-6)


def _distribution(draw: torch.Generator, n: int, spread: float = 1.0) -> Tensor:
    return torch.softmax(normal(draw, n, dtype=torch.float64, scale=spread), dim=0)


@implicit_reward.case("the best policy of lesson 6", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    reference = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    best = torch.softmax(reference.log() + torch.arange(3.0, dtype=torch.float64), dim=0)
    _check(subject, (best, reference, 1.0), (reference, reference, 1.0))


@implicit_reward.case("random policies, at any price", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [
        (_distribution(draw, n), _distribution(draw, n), beta) for n, beta in ((20, 0.5), (7, 2.0), (50, 0.1))
    ]
    _check(subject, *calls, (_distribution(draw, 1), _distribution(draw, 1), 0.5))


@implicit_reward.case("texts that are very rare", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, *((_distribution(draw, 30, 12.0), _distribution(draw, 30, 6.0), b) for b in (0.5, 3.0)))
