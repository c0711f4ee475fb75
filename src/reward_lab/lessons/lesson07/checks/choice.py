"""TODO 4: choose n by fresh comparisons."""

from collections.abc import Callable, Sequence

import torch

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import Outcome, expect_like
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.best_of_n import choose_n as right_choice

choose_n = Exercise(
    "choose_n",
    first_step="For each candidate that was compared at all, compute the share of its comparisons that it won.",
)

Choice = Callable[[Sequence[int], Sequence[float], Sequence[float], Sequence[int]], int]


def _right(ns: Sequence[int], second: Sequence[float], wins: Sequence[float], of: Sequence[int]) -> int:
    return right_choice(ns, wins, of)


def _by(key: Callable[[int, float, float, int], float], compared: bool = True) -> Choice:
    """Of the candidates, those that were compared alone, the one with the highest key(n, second, wins, comparisons)."""

    def answer(ns, second, wins, of):
        rows = [row for row in zip(ns, second, wins, of, strict=True) if row[3] or not compared]
        return max(rows, key=lambda row: key(*row))[0]

    return answer


def _place(ns: Sequence[int], second: Sequence[float], wins: Sequence[float], of: Sequence[int]) -> int:
    return list(ns).index(right_choice(ns, wins, of))


def _sums(ns: Sequence[int], second: Sequence[float], wins: Sequence[float], of: Sequence[int]) -> int:
    return _by(lambda n, s, w, c: s / max(map(abs, second)) + w / c)(ns, second, wins, of)


CHOICE_MISTAKES: dict[str, Choice] = {
    "This is still the highest score of the second reward model. It shares the first one's errors: use the wins.": _by(
        lambda n, s, w, c: s, compared=False
    ),
    "This is the highest score of the second reward model among those compared. Use the wins.": _by(
        lambda n, s, w, c: s
    ),
    "The second reward model's score still has a say. It shares the first one's errors: leave it out.": _sums,
    "This is the most wins. Candidates had different numbers of comparisons: divide.": _by(
        lambda n, s, w, c: w
    ),
    "Of equal shares this takes the largest n. The smallest costs least, and stays nearest to the reference.": _by(
        lambda n, s, w, c: (w / c, n)
    ),
    "Of equal shares this takes the first in the list. Candidates come in any order: take the smallest n.": _by(
        lambda n, s, w, c: w / c
    ),
    "Of equal shares this takes the one with the most comparisons. The text asks for the smallest n.": _by(
        lambda n, s, w, c: (w / c, c)
    ),
    "Of equal shares this takes the one that the second reward model likes best. The text asks for the smallest n.": _by(
        lambda n, s, w, c: (w / c, s)
    ),
    "This is a place in the list. Return the n that stands there.": _place,
    "This is the lowest share of wins. Take the highest.": _by(lambda n, s, w, c: (-w / c, -n)),
    "A candidate without comparisons counts as a sure win here. It can't be chosen.": _by(
        lambda n, s, w, c: (w / c if c else 1.0, -n), compared=False
    ),
    "A candidate without comparisons counts as half won here. It can't be chosen.": _by(
        lambda n, s, w, c: (w / c if c else 0.5, -n), compared=False
    ),
    "This takes the largest n that wins at least half. Take the highest share.": _by(
        lambda n, s, w, c: n if w >= c / 2 else -n
    ),
    "This takes the smallest n that wins at least half. Take the highest share.": _by(
        lambda n, s, w, c: -n if w >= c / 2 else -(2.0**40) * n
    ),
    "This is the largest n. Look at who wins.": _by(lambda n, s, w, c: n, compared=False),
    "This is the smallest n. Look at who wins.": _by(lambda n, s, w, c: -n, compared=False),
    "This is the share of wins itself. Return the n that has it.": lambda ns, s, w, c: max(
        a / b for a, b in zip(w, c, strict=True) if b
    ),
}


def _read(value: object, arguments: tuple) -> Outcome:
    return {"n": torch.tensor(as_number(value, "one n"), dtype=torch.float64)}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, _right, CHOICE_MISTAKES, calls, _read)


def _shuffled(draw: torch.Generator, *rows: tuple) -> tuple[list, ...]:
    order = torch.randperm(len(rows), generator=draw).tolist()
    return tuple(list(column) for column in zip(*(rows[i] for i in order), strict=True))


def _candidates(draw: torch.Generator, peak: int) -> list[tuple]:
    """(n, second score, wins, comparisons): the score rises with n, the share of wins up to the candidate `peak`."""
    few = torch.randint(20, 40, (6,), generator=draw).tolist()
    rows = []
    for k in range(6):
        comparisons = few[k] * (1 if k == peak else 4)  # most wins are elsewhere
        share = 0.8 - 0.12 * abs(k - peak)
        rows.append((4 ** (k + 1), 1.0 + k + few[k] / 100, float(round(share * comparisons)), comparisons))
    return rows


@choose_n.case("the four candidates of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, ([16, 256, 4096, 65536], [2.4, 3.4, 3.9, 4.1], [20.0, 13.0, 24.0, 9.0], [40, 20, 40, 20]))


@choose_n.case("the second score rises, the wins turn", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, *(_shuffled(draw, *_candidates(draw, peak)) for peak in (1, 2, 4)))


@choose_n.case("equal shares: the smallest n", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for _ in range(4):
        k = torch.randint(1, 5, (1,), generator=draw).item()
        rows = [(8, 2.0, 12.0 * k, 20 * k), (64, 2.5, 24.0 * k, 40 * k), (512, 3.0, 3.0 * k, 5 * k)]
        calls.append(_shuffled(draw, *rows, (4, 1.0, 4.0, 20), (4096, 3.5, 9.5, 20)))
    calls.append(([512, 64, 8], [3.0, 2.5, 2.0], [6.0, 12.0, 24.0], [10, 20, 40]))
    _check(subject, *calls)


@choose_n.case("a candidate without comparisons", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    rows = _candidates(draw, 2)
    never = [(2, 0.9, 0.0, 0), (4**8, 9.0, 0.0, 0)]
    once = (4**9, 9.5, 1.0, 1)  # one comparison, won: the largest share
    low = [(n, s, round(w / 3), c) for n, s, w, c in rows]
    _check(
        subject,
        _shuffled(draw, *rows, *never),
        _shuffled(draw, *low, *never),
        _shuffled(draw, *rows, *never, once),
    )
