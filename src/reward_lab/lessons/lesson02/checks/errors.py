"""TODO 2: standard errors from the curvature."""

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.subject import Subject
from reward_lab.statistics.bradley_terry import bt_covariance, bt_information, bt_mle
from reward_lab.statistics.bradley_terry import bt_standard_errors as right_errors
from reward_lab.statistics.datasets.baseball import load_baseball

from .vectors import Solve, agree, as_vector, draw_table, recognised, vector_text

bt_standard_errors = Exercise(
    "bt_standard_errors",
    first_step="Work the example of two players through on paper: the matrix first, then its pseudo-inverse.",
)


def _fixed(reference: int) -> Solve:
    """Standard errors with one player held at 0."""

    def errors(wins: Tensor, abilities: Tensor) -> Tensor:
        covariance = bt_covariance(wins, abilities)
        at = range(len(wins))[reference]
        spread = covariance.diagonal() + covariance[at, at] - 2 * covariance[at]
        return spread.clamp(min=0).sqrt()

    return errors


def _with_weights(weight_of: Solve) -> Solve:
    """Standard errors from games-weighted entries that are wrong in some way."""

    def errors(wins: Tensor, abilities: Tensor) -> Tensor:
        chance = torch.sigmoid(abilities.unsqueeze(1) - abilities)
        weight = weight_of(wins, chance)
        return torch.linalg.pinv(torch.diag(weight.sum(dim=1)) - weight).diagonal().clamp(min=0).sqrt()

    return errors


ERROR_MISTAKES: dict[str, Solve] = {
    "These are variances. A standard error is the square root.": lambda w, a: right_errors(w, a).square(),
    "Each diagonal entry was inverted by itself, as if all other abilities were known. Invert the whole matrix.": (
        lambda w, a: bt_information(w, a).diagonal().rsqrt()
    ),
    "The first player is held at 0 here. The abilities are centred: use the pseudo-inverse of the whole matrix.": _fixed(
        0
    ),
    "The last player is held at 0 here. The abilities are centred: use the pseudo-inverse of the whole matrix.": _fixed(
        -1
    ),
    "Every game was counted twice: games[i, j] is wins[i, j] + wins[j, i], once.": (
        lambda w, a: right_errors(w, a) / 2**0.5
    ),
    "Half of the games are missing: games[i, j] is wins[i, j] + wins[j, i].": lambda w, a: (
        right_errors(w, a) * 2**0.5
    ),
    "Only wins were counted. The weight of a pair is its number of games.": _with_weights(
        lambda w, p: w * p * (1 - p)
    ),
    "The weight of a game is p * (1 - p), not p.": _with_weights(lambda w, p: (w + w.T) * p),
    "The abilities were not used: these are the errors at p = 0.5.": lambda w, a: right_errors(
        w, torch.zeros_like(a)
    ),
    "The weight of a game, p * (1 - p), is missing.": _with_weights(lambda w, p: w + w.T),
    "The information of all games adds up. It was divided by the number of games.": (
        lambda w, a: right_errors(w, a) * w.sum().sqrt()
    ),
    "The spread was divided by the square root of the number of games. The information counts the games already.": (
        lambda w, a: right_errors(w, a) / w.sum().sqrt()
    ),
    "These are half-widths of 95 % intervals, 1.96 standard errors.": lambda w, a: 1.96 * right_errors(w, a),
    "These are square roots of the information. Invert it first: much information means little uncertainty.": (
        lambda w, a: bt_information(w, a).diagonal().sqrt()
    ),
    "The abilities were fitted anew from the table. Use those that are given.": lambda w, a: right_errors(
        w, bt_mle(w)
    ),
}


def _check_errors(subject: Subject, wins: Tensor, abilities: Tensor) -> None:
    got = as_vector(subject.call(wins, abilities).value, len(wins), "the standard errors")
    right = right_errors(wins, abilities)
    # Relative, in effect: standard errors of many games are small numbers.
    scale = 1 / right.min()
    if not agree(got * scale, right * scale):
        likely = _recognised(got, right, scale, (wins.double(), abilities.double()))
        raise Mistake(f"standard errors {vector_text(right)}", vector_text(got), likely)


def _recognised(got: Tensor, right: Tensor, scale: Tensor, arguments: tuple) -> str | None:
    scaled = {said: _times(mistake, scale) for said, mistake in ERROR_MISTAKES.items()}
    likely = recognised(got * scale, right * scale, scaled, arguments)
    if likely is None and not (torch.isfinite(got).all() and got.max() < 1e3 * right.max()):
        return (
            "The information matrix is singular, because shifting all abilities changes nothing: an ordinary inverse "
            "of it is an accident of rounding. Use the pseudo-inverse, torch.linalg.pinv."
        )
    return likely


def _times(mistake: Solve, scale: Tensor) -> Solve:
    return lambda *arguments: mistake(*arguments) * scale


@bt_standard_errors.case("two players, by hand", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    hand = torch.tensor([[0, 3], [1, 0]])
    _check_errors(subject, hand, bt_mle(hand))
    drawn = draw_table(draw, 2, 20) + torch.tensor([[0, 4], [1, 0]])
    _check_errors(subject, drawn, bt_mle(drawn))


@bt_standard_errors.case("baseball, and tables in which some pairs never met", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    for wins in (load_baseball().wins, draw_table(draw, 8, 12, met=0.6).double()):
        _check_errors(subject, wins, bt_mle(wins))
    few = draw_table(draw, 5, 9)
    _check_errors(subject, few, bt_mle(few).float())


@bt_standard_errors.case("ten games or many thousands", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    for games in (3, 40_000):
        wins = draw_table(draw, 4, games)
        _check_errors(subject, wins, bt_mle(wins))


@bt_standard_errors.case("abilities other than the table's own, and shifted ones", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    wins = draw_table(draw, 5, 20)
    abilities = torch.randn(5, generator=draw, dtype=torch.float64)
    _check_errors(subject, wins, abilities - abilities.mean())
    _check_errors(subject, wins, abilities + 3)
