"""TODO 3: where to stop, on a budget of fresh judgements."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.lessons.lesson09.stopping import choose_candidate as right_choice

choose_candidate = Exercise(
    "choose_candidate",
    first_step="Get two numbers for each candidate first: its win rate, and the standard error of that.",
)

Outcomes = Sequence[Tensor]
Choice = Callable[[Outcomes], int]


def chosen_with(
    error: Callable[[Tensor], Tensor] | None = None,
    of: str = "best",
    times: float = 1.0,
    pick: Callable[[list[int]], int] = min,
    least: int = 2,
    rate: Callable[[Tensor], Tensor] | None = None,
) -> Choice:
    """The right answer, but for the error, whose error it is, how many, and which of those within it."""

    def answer(outcomes: Outcomes) -> int:
        rates = {
            i: (rate or Tensor.mean)(x.double()).item() for i, x in enumerate(outcomes) if len(x) >= least
        }
        best = max(rates, key=lambda i: (rates[i], -i))
        errors = {
            i: (error or (lambda x: x.std() / len(x) ** 0.5))(outcomes[i].double()).item() for i in rates
        }
        room = {
            "best": lambda i: errors[best],
            "own": lambda i: errors[i],
            "both": lambda i: (errors[best] ** 2 + errors[i] ** 2) ** 0.5,
        }[of]
        return pick([i for i in rates if rates[i] >= rates[best] - times * room(i) - 1e-12])

    return answer


def _position(outcomes: Outcomes) -> int:
    """The number among the candidates that were compared."""
    compared = [i for i, x in enumerate(outcomes) if len(x) >= 2]
    return compared.index(right_choice(outcomes))


MISTAKES: dict[str, Choice | list[Choice]] = {
    "This is the highest win rate alone. An earlier one within one standard error of it is preferred.": chosen_with(
        times=0.0
    ),
    "This is the last one within one standard error. The earliest is asked for.": chosen_with(pick=max),
    "The standard deviation is taken for the standard error: divide by sqrt(m).": chosen_with(
        error=lambda x: x.std()
    ),
    "The variance is taken for the standard error.": chosen_with(error=lambda x: x.var() / len(x)),
    "Each candidate's own error is used. The room is that of the best one.": chosen_with(of="own"),
    "The error of the difference is used. The room is the best one's own standard error.": chosen_with(
        of="both"
    ),
    "Two standard errors are used. One is asked for.": [chosen_with(times=2.0), chosen_with(times=1.96)],
    "A candidate with a single comparison can't be chosen: it has no standard error.": chosen_with(
        least=1, error=lambda x: x.std() / len(x) ** 0.5 if len(x) > 1 else x.sum() * 0
    ),
    "The most wins are taken. Candidates have different numbers of comparisons: take the share.": chosen_with(
        rate=Tensor.sum
    ),
    "Ties are counted as losses. A tie is half a win.": chosen_with(rate=lambda x: (x == 1).double().mean()),
    "Ties are counted as wins. A tie is half a win.": chosen_with(rate=lambda x: (x > 0).double().mean()),
    "The first candidate is returned, whatever was judged.": lambda outcomes: 0,
    "The last candidate is returned, whatever was judged.": lambda outcomes: len(outcomes) - 1,
    "The lowest win rate is chosen.": lambda outcomes: min(
        (i for i, x in enumerate(outcomes) if len(x) >= 2), key=lambda i: outcomes[i].double().mean().item()
    ),
    "This is the number among those that were compared. The number in the whole list is asked for.": _position,
}


def _read(value: object, arguments: tuple) -> Outcome:
    count = len(arguments[0])
    number = (
        value.item()
        if isinstance(value, Tensor) and value.dim() == 0 and not value.is_floating_point()
        else value
    )
    if type(number) is not int or not 0 <= number < count:
        raise Mistake(f"the number of a candidate, an int from 0 to {count - 1}", describe(value))
    return {"the candidate": torch.tensor(float(number), dtype=torch.float64)}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_choice, MISTAKES, calls, _read, rtol=0, atol=0)


def _judged(draw: torch.Generator, m: int, wins: float, ties: float = 0.0) -> Tensor:
    """m comparisons with about this share of wins and of ties, in random order."""
    won, tied = round(m * wins), round(m * ties)
    values = torch.cat([torch.ones(won), torch.full((tied,), 0.5), torch.zeros(m - won - tied)]).double()
    return values[torch.randperm(m, generator=draw)]


def _clear(calls: Sequence[list[Tensor]]) -> list[tuple]:
    """Only lists whose choice does not hang on the last digit of an error."""
    kept = []
    for outcomes in calls:
        compared = [x for x in outcomes if len(x) > 1]
        best = max(compared, key=lambda x: x.mean().item())
        edge = best.mean() - best.std() / len(best) ** 0.5
        if all(abs(x.mean() - edge) > 1e-3 for x in compared):
            kept.append((outcomes,))
    return kept


@choose_candidate.case("the four candidates of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    rates = (0.5, 0.62, 0.66, 0.6)
    _check(
        subject,
        ([_judged(draw, 50, rate) for rate in rates],),
        ([_judged(draw, 50, r) for r in rates[::-1]],),
    )


@choose_candidate.case("any number of candidates and comparisons, ties among them", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    def some(count: int) -> list[Tensor]:
        numbers = torch.rand(count, 3, generator=draw).tolist()
        return [_judged(draw, int(10 + 190 * m), 0.3 + 0.3 * w, 0.3 * t) for m, w, t in numbers]

    lists = _clear([some(3 + number % 6) for number in range(16)])
    rising = [_judged(draw, m, w) for m, w in ((40, 0.45), (200, 0.55), (20, 0.65), (90, 0.61))]
    own = [_judged(draw, m, w) for m, w in ((12, 0.5), (100, 0.58), (400, 0.65))]
    tied = [_judged(draw, 60, 0.3, 0.5), _judged(draw, 60, 0.56), _judged(draw, 60, 0.1, 0.8)]
    _check(subject, *lists, *_clear([rising, own, tied]), ([_judged(draw, 30, 0.5)],))


@choose_candidate.case("candidates with two comparisons, one, or none", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    none, one = torch.zeros(0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    _check(
        subject,
        ([one, none, _judged(draw, 40, 0.5), _judged(draw, 40, 0.75)],),
        ([none, _judged(draw, 80, 0.7), one, _judged(draw, 80, 0.4)],),
        (
            [
                _judged(draw, 30, 0.5),
                one,
                torch.ones(2, dtype=torch.float64),
                torch.ones(3, dtype=torch.float64),
            ],
        ),
        ([_judged(draw, 30, 0.2), none, _judged(draw, 60, 0.6), _judged(draw, 60, 0.65), one],),
    )
