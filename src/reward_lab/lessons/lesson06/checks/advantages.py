"""TODO 4: generalised advantage estimation."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like, normal, numbers_of
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.rlhf.ppo import gae as right_gae

gae = Exercise(
    "gae",
    first_step="Compute the surprises of the example by hand, all three at once; then ask at "
    "which end the sum starts.",
)

Gae = Callable[[Tensor, Tensor, float, float], tuple]


def _recursion(
    deltas: Callable | None = None,
    decay: Callable | None = None,
    forward: bool = False,
    across_rows: bool = False,
) -> Gae:
    """GAE with its own one-step errors, its own decay, or a sum that runs the wrong way."""

    def answer(rewards, values, gamma, lam):
        delta = (deltas or _deltas)(rewards, values, gamma)
        factor = (decay or (lambda g, lam: g * lam))(gamma, lam)
        delta = delta.T if across_rows else delta
        columns = range(delta.shape[1])
        advantages, carried = torch.zeros_like(delta), torch.zeros_like(delta[:, 0])
        for step in columns if forward else reversed(columns):
            carried = delta[:, step] + factor * carried
            advantages[:, step] = carried
        advantages = (advantages.T if across_rows else advantages).detach()
        return advantages, advantages + values[:, :-1].detach()

    return answer


def _deltas(rewards: Tensor, values: Tensor, gamma: float) -> Tensor:
    return rewards + gamma * values[:, 1:] - values[:, :-1]


def _without_last_value(rewards: Tensor, values: Tensor, gamma: float) -> Tensor:
    following = values[:, 1:].clone()
    following[:, -1] = 0
    return rewards + gamma * following - values[:, :-1]


def _returns_of_rewards(rewards: Tensor, values: Tensor, gamma: float, lam: float) -> tuple:
    advantages, _ = right_gae(rewards, values, gamma, lam)
    returns, carried = torch.zeros_like(rewards), values[:, -1].detach()
    for step in reversed(range(rewards.shape[1])):
        carried = rewards[:, step].detach() + gamma * carried
        returns[:, step] = carried
    return advantages, returns


def _from_the_last_value(rewards: Tensor, values: Tensor, gamma: float, lam: float) -> tuple:
    delta = _deltas(rewards, values, gamma).detach()
    delta[:, -1] += gamma * lam * values[:, -1].detach()
    return _recursion(deltas=lambda r, v, g: delta)(rewards, values, gamma, lam)


def _last_step_skipped(rewards: Tensor, values: Tensor, gamma: float, lam: float) -> tuple:
    delta = _deltas(rewards, values, gamma).detach()
    delta[:, -1] = 0
    return _recursion(deltas=lambda r, v, g: delta)(rewards, values, gamma, lam)


def _changed(change: Callable[[Tensor, Tensor, Tensor], tuple]) -> Gae:
    def answer(rewards, values, gamma, lam):
        return change(*right_gae(rewards, values, gamma, lam), values.detach())

    return answer


GAE_MISTAKES: dict[str, Gae] = {
    "The recursion decays with lam alone. It decays with gamma * lam.": _recursion(decay=lambda g, lam: lam),
    "The recursion decays with gamma alone. It decays with gamma * lam.": _recursion(decay=lambda g, lam: g),
    "The recursion runs forward. An advantage looks at what comes after: start at the last step.": _recursion(
        forward=True
    ),
    "The recursion runs across the batch. Steps are in the second dimension.": _recursion(across_rows=True),
    "gamma is missing in the one-step error: it discounts the next value.": _recursion(
        deltas=lambda r, v, g: r + v[:, 1:] - v[:, :-1]
    ),
    "The one-step error lacks the next value: r + gamma * V_next - V.": _recursion(
        deltas=lambda r, v, g: r - v[:, :-1]
    ),
    "The one-step error does not subtract the value of the step itself.": _recursion(
        deltas=lambda r, v, g: r + g * v[:, 1:]
    ),
    "The two values are swapped in the one-step error: r + gamma * V_next - V.": _recursion(
        deltas=lambda r, v, g: r + g * v[:, :-1] - v[:, 1:]
    ),
    "lam stands in the one-step error. It belongs to the recursion only, as gamma * lam.": lambda r, v, g, lam: (
        _recursion(deltas=lambda r, v, g: r + g * lam * v[:, 1:] - v[:, :-1])(r, v, g, lam)
    ),
    "The recursion decays with gamma * (1 - lam). It decays with gamma * lam.": _recursion(
        decay=lambda g, lam: g * (1 - lam)
    ),
    "The recursion starts from the last value. It starts from 0: the one-step error of the last step has that value.": (
        _from_the_last_value
    ),
    "The last step is skipped. Start at step T - 1: `reversed(range(T))`.": _last_step_skipped,
    "The list was filled from the back and not turned round: the first entry belongs to the last step.": _changed(
        lambda a, r, v: (a.flip(1), a.flip(1) + v[:, :-1])
    ),
    "The list of returns is right, that of advantages was not turned round.": _changed(
        lambda a, r, v: (a.flip(1), r)
    ),
    "Both lists were filled from the back and not turned round.": _changed(
        lambda a, r, v: (a.flip(1), r.flip(1))
    ),
    "The returns add the rewards. Add the values before each step: `values[:, :-1]`.": lambda r, v, g, lam: (
        right_gae(r, v, g, lam)[0],
        right_gae(r, v, g, lam)[0] + r,
    ),
    "The values are not used: these are discounted rewards.": _recursion(deltas=lambda r, v, g: r),
    "The sign of the one-step error is wrong: what came minus what was expected.": _recursion(
        deltas=lambda r, v, g: -_deltas(r, v, g)
    ),
    "The value after the last step is left out. It is 0 only if the caller says so.": _recursion(
        deltas=_without_last_value
    ),
    "These are the one-step errors: each advantage also holds gamma * lam times the next one.": _recursion(
        decay=lambda g, lam: 0.0
    ),
    "The returns are discounted rewards. Here they are advantages plus values, which is the same only for lam = 1.": (
        _returns_of_rewards
    ),
    "The returns add the value after each step. Add the value before it: `values[:, :-1]`.": _changed(
        lambda a, r, v: (a, a + v[:, 1:])
    ),
    "The returns are the advantages again. Add the values before each step.": _changed(
        lambda a, r, v: (a, a.clone())
    ),
    "The order is advantages, then returns.": _changed(lambda a, r, v: (r, a)),
    "The advantages are normalised. Leave that to the caller.": _changed(
        lambda a, r, v: ((a - a.mean()) / (a.std() + 1e-8), r)
    ),
}


def _read(value: object, arguments: tuple) -> Outcome:
    if type(value) not in (tuple, list) or len(value) != 2:
        likely = None
        if isinstance(value, Tensor) and value.dim() == 3:
            likely = "Return the two tensors themselves, `return advantages, returns`, not stacked into one."
        raise Mistake("two tensors, (advantages, returns)", describe(value), likely)
    shape = tuple(arguments[0].shape)
    outcome = {}
    for name, part in zip(("advantages", "returns"), value, strict=True):
        likely = "Rewards are (batch, T), values (batch, T + 1), both results (batch, T)."
        if isinstance(part, Tensor) and tuple(part.shape) == shape[::-1] != shape:
            likely = "The steps are in the first dimension. Stack the columns with `dim=1`."
        outcome[name] = numbers_of(part, shape, name, likely)
        if part.requires_grad:
            raise Mistake(
                f"{name} without gradients",
                f"{name} that still require them",
                "Advantages and returns are numbers to what comes after. Detach the values, or work under "
                "`torch.no_grad()`.",
            )
    return outcome


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_gae, GAE_MISTAKES, calls, _read)


def _call(
    draw: torch.Generator, batch: int, steps: int, gamma: float, lam: float, dtype=torch.float32
) -> tuple:
    return (
        normal(draw, batch, steps, dtype=dtype),
        1 + normal(draw, batch, steps + 1, dtype=dtype),
        gamma,
        lam,
    )


@gae.case("the three steps of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, (torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.5, 0.5, 0.0]]), 1.0, 0.5))


@gae.case("random rewards and values", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    rewards, values, gamma, lam = _call(draw, 4, 6, 0.9, 0.7)
    _check(
        subject,
        _call(draw, 5, 6, 0.9, 0.8),
        _call(draw, 3, 8, 0.99, 0.6, torch.float64),
        (100 * rewards, 100 * values, gamma, lam),  # nothing may be cut off
        _call(draw, 2, 300, 0.9, 0.5),  # 0.45^300 is 0 in float32: no division by a power of gamma * lam
    )


@gae.case("lam at 0 and at 1, one step, one row", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(
        subject,
        _call(draw, 4, 5, 0.8, 0.0),
        _call(draw, 4, 5, 0.8, 1.0),
        _call(draw, 4, 1, 0.7, 0.9),
        _call(draw, 1, 5, 1.0, 0.9),
        _call(draw, 3, 4, 0.0, 0.9),
    )


@gae.case("values that come from a critic in training", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    rewards, values, gamma, lam = _call(draw, 6, 5, 0.95, 0.7)
    _check(subject, (rewards, values.requires_grad_(), gamma, lam))
