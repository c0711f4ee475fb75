"""TODO 2: standard errors from the curvature."""

from collections.abc import Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.subject import Subject
from reward_lab.statistics.bradley_terry import bt_covariance, bt_information, bt_mle
from reward_lab.statistics.bradley_terry import bt_standard_errors as right_errors
from reward_lab.statistics.datasets.baseball import load_baseball

from .vectors import (
    Judge,
    Solve,
    agree_relatively,
    as_vector,
    draw_chain,
    draw_table,
    two_groups,
    vector_text,
)

bt_standard_errors = Exercise(
    "bt_standard_errors",
    first_step="Work the example of two players through on paper: the matrix first, then its pseudo-inverse.",
    withholds=(
        "reward_lab.statistics.bradley_terry.bt_covariance",
        "reward_lab.statistics.bradley_terry.bt_information",
        "reward_lab.statistics.bradley_terry.centred_inverse",
        "reward_lab.statistics.order_effect.bt_order_standard_errors",
    ),
)


def _fixed(reference: int) -> Solve:
    """Standard errors with one player held at 0."""

    def errors(wins: Tensor, abilities: Tensor) -> Tensor:
        covariance = bt_covariance(wins, abilities)
        at = range(len(wins))[reference]
        spread = covariance.diagonal() + covariance[at, at] - 2 * covariance[at]
        return spread.clamp(min=0).sqrt()

    return errors


def _with_cutoff(tolerance: float) -> Solve:
    """Standard errors from a pseudo-inverse that takes more eigenvalues for 0 than the one that is."""

    def errors(wins: Tensor, abilities: Tensor) -> Tensor:
        inverse = torch.linalg.pinv(bt_information(wins, abilities), rtol=tolerance)
        return inverse.diagonal().clamp(min=0).sqrt()

    return errors


def _with_weights(weight_of: Solve) -> Solve:
    """Standard errors from games-weighted entries that are wrong in some way."""

    def errors(wins: Tensor, abilities: Tensor) -> Tensor:
        chance = torch.sigmoid(abilities.unsqueeze(1) - abilities)
        weight = weight_of(wins, chance)
        return torch.linalg.pinv(torch.diag(weight.sum(dim=1)) - weight).diagonal().clamp(min=0).sqrt()

    return errors


ERROR_MISTAKES: dict[str, Solve | list[Solve]] = {
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
    "The pseudo-inverse takes small eigenvalues for 0: its tolerance is too coarse. In float64 the default will do.": [
        _with_cutoff(tolerance) for tolerance in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
    ],
    "The matrix was inverted in float32, which can't tell its small eigenvalues from 0. Work in float64.": (
        lambda w, a: torch.linalg.pinv(bt_information(w, a).float()).diagonal().clamp(min=0).sqrt().double()
    ),
    "The abilities were fitted anew from the table. Use those that are given.": lambda w, a: right_errors(
        w, bt_mle(w)
    ),
}


def _explain(got: list[Tensor], want: list[Tensor], calls: Sequence[tuple]) -> str | None:
    errors, right = next((a, b) for a, b in zip(got, want, strict=True) if not agree_relatively(a, b))
    if any(a.abs().max() > 100 for _, a in calls) and not torch.isfinite(errors).all():
        return (
            "exp of an ability of a thousand overflows. Only differences count: take p = sigmoid(a_i - a_j), or centre "
            "the abilities first."
        )
    if not (torch.isfinite(errors).all() and errors.max() < 1e3 * right.max()):
        return (
            "The information matrix is singular, because shifting all abilities changes nothing: an ordinary inverse "
            "of it is an accident of rounding. Use the pseudo-inverse, torch.linalg.pinv."
        )
    return None


REFUSED = (
    "The abilities are given here, so the table needs no finite estimate. That the players are connected by games is "
    "enough: leave the tests of TODO 1 out."
)
JUDGE = Judge(
    read=lambda value, tables: as_vector(value, len(tables[0]), "the standard errors"),
    right=right_errors,
    mistakes=ERROR_MISTAKES,
    text=lambda vector: f"standard errors {vector_text(vector)}",
    explain=_explain,
    refused=REFUSED,
    close=agree_relatively,
)


def _own(wins: Tensor) -> tuple[Tensor, Tensor]:
    """A table with the abilities that belong to it."""
    return wins, bt_mle(wins)


@bt_standard_errors.case("two players, by hand", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    hand = torch.tensor([[0, 3], [1, 0]])
    drawn = draw_table(draw, 2, 20) + torch.tensor([[0, 4], [1, 0]])
    JUDGE.expect(subject, _own(hand), _own(drawn))


@bt_standard_errors.case("baseball, and tables in which some pairs never met", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    few = draw_table(draw, 5, 9)
    JUDGE.expect(
        subject,
        _own(load_baseball().wins),
        _own(draw_table(draw, 8, 12, met=0.6).double()),
        (few, bt_mle(few).float()),
        _own(draw_chain(draw, 9) / 2),
    )


@bt_standard_errors.case("ten games or many thousands", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    JUDGE.expect(subject, *(_own(draw_table(draw, 4, games)) for games in (3, 40_000)))
    # Two groups that played each other once: the smallest information is a ten-millionth of the largest.
    apart = two_groups(draw, 3, 3) * 200_000
    apart[0, 5] = 1
    JUDGE.expect(
        subject,
        _own(draw_table(draw, 4, 9)),
        (apart, torch.randn(6, generator=draw, dtype=torch.float64) / 2),
    )


@bt_standard_errors.case("abilities other than the table's own, and shifted ones", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    wins, upset = draw_table(draw, 5, 20), draw_table(draw, 5, 20)
    upset[1:, 0] = 0  # this player never lost: there is no estimate, but the abilities are given
    abilities = torch.randn(5, generator=draw, dtype=torch.float64)
    JUDGE.expect(subject, (wins, abilities - abilities.mean()), (wins, abilities + 3), (wins, -abilities))
    JUDGE.expect(
        subject, (wins, abilities), (upset, abilities), (wins, abilities + 1000), (wins, abilities - 1000)
    )
