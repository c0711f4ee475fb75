"""What the exercises on tables share: one number per player in, drawn tables, expected exceptions."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reward_lab.checks.exercise import Mistake
from reward_lab.checks.naming import named, ways
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


def agree_relatively(got: Tensor, right: Tensor) -> bool:
    """Whether each number is right to one part in a thousand, however small it is."""
    return got.shape == right.shape and bool(((got - right).abs() <= TOLERANCE * right.abs()).all())


@dataclass(frozen=True)
class Judge:
    """How vectors of one exercise are judged.

    Fields: `read`, from a reply's value and the call's tables to the numbers, (P,) float64; `right`, from tables to
    the right numbers; `mistakes`, sentence -> the solution that makes it, or several; `text`, the numbers as a student
    reads them; `explain`, asked where no usual mistake fits, with what came, what was expected and the tables of each
    call; `refused`, said where a ValueError came in place of numbers; `close`, whether two vectors agree.
    """

    read: Callable[[object, tuple], Tensor]
    right: Solve
    mistakes: Mapping[str, Solve | Sequence[Solve]]
    text: Callable[[Tensor], str]
    explain: Callable[[list[Tensor], list[Tensor], Sequence[tuple]], str | None]
    refused: str
    close: Callable[[Tensor, Tensor], bool] = agree

    def expect(self, subject: Subject, *calls: tuple) -> None:
        """Pass if every call comes out right. Otherwise raise Mistake, with the mistakes that explain every call."""
        got = [self._numbers(subject, tables) for tables in calls]
        want = [self.right(*tables) for tables in calls]
        off = [number for number, pair in enumerate(zip(got, want, strict=True)) if not self.close(*pair)]
        if not off:
            return
        doubles = [tuple(table.double() for table in tables) for tables in calls]
        likely = named(said for said, mistake in ways(self.mistakes) if self._explains(mistake, got, doubles))
        raise Mistake(
            self.text(want[off[0]]), self.text(got[off[0]]), likely or self.explain(got, want, doubles)
        )

    def _numbers(self, subject: Subject, tables: tuple) -> Tensor:
        try:
            value = subject.call(*tables).value
        except Mistake as mistake:
            if mistake.got.startswith("ValueError"):
                raise Mistake(mistake.expected, mistake.got, self.refused) from None
            raise
        return self.read(value, tables)

    def _explains(self, mistake: Solve, got: list[Tensor], calls: Sequence[tuple]) -> bool:
        try:
            return all(
                self.close(numbers, mistake(*tables)) for numbers, tables in zip(got, calls, strict=True)
            )
        except (RuntimeError, ValueError):
            return False  # this mistake has no answer here


def penalised(abilities: Tensor, surplus: Tensor) -> bool:
    """Whether the surplus of wins is in proportion to the abilities, as a penalty on their squares makes it.

    Args:
        abilities: (K,) float64.
        surplus: (K,) float64: wins of each player minus the wins that these abilities promise.
    """
    weight = (surplus @ abilities) / (abilities @ abilities)
    left = (surplus - weight * abilities).norm()
    return bool(weight > 0 and surplus.norm() > 0.01 and left < 0.01 * surplus.norm())


PENALTY = "A penalty on the squares pulls these towards 0. Maximum likelihood has none."


def penalised_maximum(log_likelihood: Callable[[Tensor], Tensor], weights: Tensor) -> Tensor:
    """Where a log-likelihood is highest with a penalty on half the squares of the parameters, (K,) float64 from 0.

    Args:
        log_likelihood: (K,) parameters -> a scalar, concave.
        weights: (K,) float64, of each parameter's penalty.
    """
    parameters = torch.zeros_like(weights, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [parameters], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        value = (weights / 2 * parameters.square()).sum() - log_likelihood(parameters)
        value.backward()
        return value

    optimizer.step(objective)
    return parameters.detach()


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


def shuffled(draw: torch.Generator, wins: Tensor, first: int | None = None) -> Tensor:
    """The table with its players in another order; `first` is the one who gets number 0."""
    order = torch.randperm(len(wins), generator=draw)
    if first is not None:
        order = torch.cat([torch.tensor([first]), order[order != first]])
    return wins[order][:, order]


def two_groups(draw: torch.Generator, first: int, second: int) -> Tensor:
    """Two groups, each with a finite estimate, that never met."""
    return torch.block_diag(draw_table(draw, first, 6) + 1, draw_table(draw, second, 6) + 1).fill_diagonal_(0)


def draw_chain(draw: torch.Generator, players: int) -> Tensor:
    """A (K, K) int64 table in which each player met the next one only, and both won; in a random order.

    Each won about twice as often as the next: the ends are far apart, and an iteration that moves little in a round
    takes long to get there, whatever was drawn.
    """
    wins = torch.zeros(players, players, dtype=torch.int64)
    place = torch.arange(players - 1)
    wins[place, place + 1] = torch.randint(4, 6, (players - 1,), generator=draw)
    wins[place + 1, place] = torch.randint(2, 4, (players - 1,), generator=draw)
    return shuffled(draw, wins)


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
