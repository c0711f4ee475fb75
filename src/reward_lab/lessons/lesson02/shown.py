"""Figures of lesson 2 that answer a question: drawn here, with title and alt text, so that the notebook does not tell."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from reward_lab.plots import plot_seeds, show

from . import figures


def climbs(paths: Mapping[str, Tensor]) -> None:
    """The ability of A after each iteration, with and without a loss: table -> (iterations,)."""
    never, once = paths.values()
    show(
        figures.plot_lines(
            paths,
            "Never lost: no iteration is the last one",
            xlabel="iteration (log scale)",
            ylabel="ability of A (log-odds)",
            xscale="log",
        ),
        alt="On a logarithmic axis of iterations the ability of a player who never lost rises along a straight line to "
        f"{never[-1]:.1f}; with one loss it levels off at {once[-1]:.2f} before iteration 100.",
    )


def ways_up(gaps: Mapping[str, Sequence[float]]) -> None:
    """What is missing to the maximum after each iteration: way -> (iterations,) nats."""
    show(
        figures.plot_lines(
            gaps,
            "A gradient step that is too long never arrives;\nthe classical iteration has no step size to get wrong",
            xlabel="iteration",
            ylabel="missing log-likelihood (nats)",
            yscale="log",
        ),
        alt="Missing log-likelihood on a log scale, after 5 and after 30 iterations: "
        + "; ".join(f"{name} {float(gap[5]):.0e} and {float(gap[30]):.0e}" for name, gap in gaps.items())
        + ".",
    )


def intervals(
    teams: Sequence[str], abilities: Tensor, errors: Tensor, against_last: Tensor, apart: int
) -> None:
    """Abilities with 95 % intervals, centred and with the last team at 0.

    Args:
        teams: K names.
        abilities: (K,) centred.
        errors: (K,) standard errors of the centred abilities.
        against_last: (K,) standard errors of the differences from the last team.
        apart: how many pairs differ by more than 1.96 standard errors.
    """
    pairs = len(teams) * (len(teams) - 1) // 2
    show(
        figures.plot_intervals(
            {
                "centred: the mean is 0": (abilities, errors),
                "the same fit, Baltimore fixed at 0": (abilities - abilities[-1], against_last),
            },
            teams,
            title=f"273 games tell {apart} of {pairs} pairs of teams apart: the last place is clear, the first is not",
            xlabel="ability (log-odds), with 95 % interval",
        ),
        alt=f"Seven teams with abilities from {abilities[0]:.2f} (Milwaukee) to {abilities[-1]:.2f} (Baltimore) "
        f"and 95 % intervals "
        f"about {1.96 * errors.mean():.1f} to either side; the intervals of the first five overlap widely. On "
        f"the right the same fit "
        "with Baltimore at 0: wider intervals, none for Baltimore.",
    )


def coverage_of_rankings(held: Mapping[str, Sequence[float]]) -> None:
    """How many intervals hold the truth: way of fitting -> share for each seed."""
    show(
        plot_seeds(
            held,
            limits={"promised": 0.95},
            title="Pairs from rankings: the estimates are right, the claimed certainty is not",
            xlabel="share of 95 % intervals that hold the truth",
        ),
        alt="Coverage, mean of ten seeds: "
        + "; ".join(f"{name} {np.mean(shares):.2f}" for name, shares in held.items())
        + ". Promised are 95 %.",
    )


def from_games_to_probabilities() -> None:
    """Diagram: games, table, abilities, probabilities."""
    show(
        figures.plot_from_games(),
        alt="Diagram, from left to right: games become a table of wins, the fit makes abilities of it, and differences of "
        "abilities give the probability of every game. An arrow leads back: at the best fit the promised wins are the wins.",
    )


def win_graphs() -> None:
    """Diagram: when there is an estimate."""
    show(
        figures.plot_win_graphs(),
        alt="Three graphs of five players, with an arrow from the winner to the loser of a game. Left: no arrow between "
        "A, B and C, D, E. Middle: arrows from A and B to the rest, none back. Both have no estimate. Right: D beat A once, "
        "so that arrows lead from everybody to everybody, and the estimate is finite.",
    )


def leaderboards(boards: Mapping[str, Sequence | None], games: int) -> None:
    """Leaderboards with 95 % intervals: whose -> rows (name, ability, standard error), or None where there is none."""
    there = {whose: rows for whose, rows in boards.items() if rows}
    if not there:
        return
    rows = next(iter(there.values()))
    best, last = rows[0], rows[-1]
    show(
        figures.plot_leaderboards(there, f"{games} games, {len(rows)} players, and how sure each number is"),
        alt=f"Abilities with 95 % intervals, best on top, for {' and '.join(there)}. First {best[0]} at {best[1]:+.2f}, "
        f"standard error {best[2]:.2f}; last {last[0]} at {last[1]:+.2f}, standard error {last[2]:.2f}.",
    )


def against_the_textbook(abilities: Tensor, published: Sequence[float]) -> None:
    """A program's abilities beside the printed ones, the last team at 0 in both."""
    off = max(abs(a - b) for a, b in zip(abilities.tolist(), published, strict=True))
    show(
        figures.plot_agreement(abilities.tolist(), published, "Seven abilities, as in the textbook"),
        alt=f"Abilities of seven teams by the program, against the printed ones: all lie on the diagonal, to {off:.3f}.",
    )
