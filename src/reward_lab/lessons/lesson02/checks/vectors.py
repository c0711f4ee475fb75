"""What the exercises on tables share: one number per player in, drawn tables, expected exceptions."""

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from reward_lab.checks.exercise import Mistake
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import Opaque, describe, number_text

TOLERANCE = 1e-3
Solve = Callable[..., Tensor]


def as_vector(value: object, players: int, what: str) -> Tensor:
    """The (K,) float64 in a floating-point tensor or a list of numbers; anything else is a Mistake."""
    expected = f"{what}: a floating-point tensor of shape ({players},)"
    if type(value) in (list, tuple) and len(value) == players:
        return torch.tensor(
            [as_number(item, f"{what}: {players} numbers") for item in value], dtype=torch.float64
        )
    if not isinstance(value, Tensor):
        array = isinstance(value, Opaque) and "ndarray" in value.type_name
        raise Mistake(
            expected,
            describe(value),
            "Turn the array into a tensor: torch.as_tensor(...)." if array else None,
        )
    if value.shape != (players,):
        raise Mistake(expected, describe(value), "One number per player is asked for.")
    if not value.dtype.is_floating_point:
        raise Mistake(expected, describe(value), "Whole numbers lose what is behind the decimal point.")
    return value.detach().cpu().double()


def agree(got: Tensor, right: Tensor) -> bool:
    """Whether all numbers agree to TOLERANCE, absolute below 1 and relative above. NaN agrees with nothing."""
    return got.shape == right.shape and bool(
        ((got - right).abs() <= TOLERANCE * right.abs().clamp(min=1.0)).all()
    )


def recognised(got: Tensor, right: Tensor, mistakes: Mapping[str, Solve], arguments: tuple) -> str | None:
    """The sentence of the first usual mistake that gives these numbers on these arguments, or None."""
    for said, mistake in mistakes.items():
        try:
            wrong = mistake(*arguments)
        except (RuntimeError, ValueError):
            continue  # this mistake has no answer here
        if not agree(wrong, right) and agree(got, wrong):
            return said
    return None


def vector_text(vector: Tensor) -> str:
    """The numbers of a vector, as students read them."""
    return "[" + ", ".join(number_text(number) for number in vector.tolist()) + "]"


def expect_value_error(
    subject: Subject, *arguments: object, why: str, words: tuple = (), others: tuple = ()
) -> None:
    """Expect a ValueError whose message has one of `words` (any message, if there are none) and none of `others`."""
    failure = subject.error(*arguments)
    if failure is None:
        raise Mistake(f"a ValueError, because {why}", "an answer", "Test for it before you fit.")
    if failure.type_name != "ValueError":
        raise Mistake(
            f"a ValueError, because {why}", str(failure), "Raise it on purpose: raise ValueError(...)."
        )
    message = re.sub(r"\s+", " ", failure.message.lower())
    quoted = f'a ValueError with the message "{failure.message}"'
    if not message.strip():
        raise Mistake(
            "a message that says why", "a ValueError without one", "Put the reason into ValueError(...)."
        )
    wanted = " or ".join(f'"{word}"' for word in words)
    if words and not any(word in message for word in words):
        raise Mistake(f"a message with {wanted}, because {why}", quoted)
    if any(word in message for word in others):
        raise Mistake(
            f"a message with {wanted} only, because {why}",
            quoted,
            "The message names a reason that does not hold.",
        )


def draw_table(draw: torch.Generator, players: int, games: int, met: float = 1.0) -> Tensor:
    """A random (K, K) int64 table of wins with a finite estimate.

    Args:
        draw: the generator.
        players: K.
        games: at most this many wins of each player over each other.
        met: about the share of pairs that met at all.
    """
    strength = torch.rand(players, generator=draw) + 0.2
    wins = (torch.rand(players, players, generator=draw) * games * strength.unsqueeze(1)).long()
    pairs = torch.triu(torch.rand(players, players, generator=draw) < met)
    wins = wins * (pairs | pairs.T)
    order = torch.randperm(players, generator=draw)
    wins[order, order.roll(-1)] += 1  # a circle of wins links everybody to everybody
    return wins.fill_diagonal_(0)
