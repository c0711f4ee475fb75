"""Where to stop pushing, by fresh judgements: the earliest candidate that is within an error of the best."""

from collections.abc import Sequence

from torch import Tensor


def choose_candidate(outcomes: Sequence[Tensor]) -> int:
    """The one-standard-error rule (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3).

    Args:
        outcomes: of each candidate, from the least pushed to the most: (m,) results of its fresh comparisons with a
            common opponent, 1 won, 0.5 tied, 0 lost. One with fewer than two comparisons can't be chosen.

    Returns:
        The number of the earliest candidate whose win rate is at least the highest one minus that one's standard error.

    Raises:
        ValueError: no candidate has two comparisons.
    """
    judged = {i: x.double() for i, x in enumerate(outcomes) if len(x) > 1}
    if not judged:
        raise ValueError("choose_candidate: expected at least one candidate with two comparisons")
    rates = {i: x.mean().item() for i, x in judged.items()}
    best = max(rates, key=rates.__getitem__)  # of equal ones the first
    error = judged[best].std().item() / len(judged[best]) ** 0.5
    return min(i for i, rate in rates.items() if rate >= rates[best] - error)
