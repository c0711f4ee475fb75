"""TODO 3: accuracy by style."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like, normal
from reward_lab.checks.numbers import as_number
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.statistics.evaluation import style_accuracy as right_accuracy

style_accuracy = Exercise(
    "style_accuracy",
    first_step="Do the two questions of the example by hand: write the nine comparisons of each as a table.",
)

KINDS = ("easy", "normal", "hard")
Accuracy = Callable[[Tensor, Tensor], dict]


def _from_table(
    read: Callable[[Tensor], dict], compare: Callable[[Tensor, Tensor], Tensor] = torch.gt
) -> Accuracy:
    """An accuracy that reads the 3 x 3 table of shares in its own way."""

    def answer(preferred: Tensor, rejected: Tensor) -> dict:
        right = compare(preferred[:, :, None], rejected[:, None, :]).double()
        return read(right.mean(dim=0))

    return answer


def _parts(
    table: Tensor, easy: float = 3, normal: float = 3, hard: float = 3, below: int = -1, above: int = 1
) -> dict:
    return {
        "easy": table.tril(below).sum().item() / easy,
        "normal": table.diagonal().sum().item() / normal,
        "hard": table.triu(above).sum().item() / hard,
    }


def _all_cells_right(preferred: Tensor, rejected: Tensor) -> dict:
    right = preferred[:, :, None] > rejected[:, None, :]
    inside = {
        "easy": torch.ones(3, 3).tril(-1).bool(),
        "normal": torch.eye(3).bool(),
        "hard": torch.ones(3, 3).triu(1).bool(),
    }
    return {
        kind: right[:, cells.to(right.device)].all(dim=1).double().mean().item()
        for kind, cells in inside.items()
    }


def _mean_first(preferred: Tensor, rejected: Tensor) -> dict:
    return right_accuracy(
        preferred.double().mean(dim=0, keepdim=True), rejected.double().mean(dim=0, keepdim=True)
    )


def _corners(table: Tensor) -> dict:
    return {
        "easy": table[2, 0].item(),
        "normal": table.diagonal().mean().item(),
        "hard": table[0, 2].item(),
    }


def _neighbours(table: Tensor) -> dict:
    return {
        "easy": table.diagonal(-1).mean().item(),
        "normal": table.diagonal().mean().item(),
        "hard": table.diagonal(1).mean().item(),
    }


STYLE_MISTAKES: dict[str, Accuracy | list[Accuracy]] = {
    "Easy and hard are swapped: below the diagonal the better answer has the longer style.": _from_table(
        lambda t: _parts(t.T)
    ),
    "The diagonal is counted in the triangles too. It is `normal`: use `tril(-1)` and `triu(1)`.": [
        _from_table(lambda t: _parts(t, 6, 3, 6, 0, 0)),
        _from_table(lambda t: _parts(t, below=0, above=0)),
    ],
    "A tie is not right: compare with `>`.": _from_table(_parts, torch.ge),
    "The comparison is the wrong way round: right is a higher reward of the better answer.": _from_table(
        _parts, torch.lt
    ),
    "The sums are divided by 9. Each kind has three cells.": _from_table(lambda t: _parts(t, 9, 9, 9)),
    "These are sums of three cells. Divide by 3.": _from_table(lambda t: _parts(t, 1, 1, 1)),
    "This asks whether all three comparisons of a question are right. Count each comparison by itself.": (
        _all_cells_right
    ),
    "The rewards are averaged over the questions before they are compared. Compare first.": _mean_first,
    "Only the largest difference of style is counted. Easy and hard have three cells each.": _from_table(
        _corners
    ),
    "Only neighbouring styles are counted. Easy and hard have three cells each.": _from_table(_neighbours),
    "Easy and hard compare equal styles only.": _from_table(
        lambda t: dict.fromkeys(KINDS, t.diagonal().mean().item())
    ),
    "These are per cent. Return fractions.": _from_table(
        lambda t: {kind: 100 * value for kind, value in _parts(t).items()}
    ),
    "This is the share of wrong comparisons.": _from_table(
        lambda t: {kind: 1 - value for kind, value in _parts(t).items()}
    ),
}


def _read(value: object, arguments: tuple) -> Outcome:
    if type(value) is not dict or not set(KINDS) <= value.keys():
        raise Mistake("a dict with `easy`, `normal` and `hard`", describe(value))
    return {
        f"`{kind}`": torch.tensor(as_number(value[kind], f"`{kind}` as a number"), dtype=torch.float64)
        for kind in KINDS
    }


def _check(subject: Subject, *calls: tuple[Tensor, Tensor]) -> None:
    expect_like(subject, right_accuracy, STYLE_MISTAKES, calls, _read, rtol=1e-6, atol=1e-6)


def _scores(draw: torch.Generator, n: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Rewards that go by style as well as by quality, in steps of 1/4, so that there are ties."""
    style = torch.tensor([0.0, 0.7, 1.6])
    preferred, rejected = (normal(draw, n, 3) + style + lead for lead in (0.5, 0.0))
    return tuple((4 * side).round().to(dtype) / 4 for side in (preferred, rejected))


@style_accuracy.case("the two questions of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    preferred = torch.tensor([[1.0, 2.0, 3.0], [0.5, 1.0, 1.5]])
    rejected = torch.tensor([[0.0, 1.5, 2.0], [1.0, 1.0, 2.0]])
    _check(subject, (preferred, rejected))


@style_accuracy.case("random rewards with ties", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, *(_scores(draw, n, dtype) for n, dtype in ((101, torch.float32), (60, torch.float64))))


@style_accuracy.case("one question", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [_scores(draw, 1) for _ in range(6)]
    _check(subject, *calls)


@style_accuracy.case("a model that goes by style alone, and one that does not see it", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    style = torch.tensor([0.0, 10.0, 20.0], dtype=torch.float64)
    by_style = tuple(normal(draw, 40, 3, dtype=torch.float64) + style for _ in range(2))
    blind = tuple(normal(draw, 40, 1, dtype=torch.float64).expand(40, 3).clone() for _ in range(2))
    _check(subject, by_style, blind)
