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
